"""Logs in with Python's smtplib: smtplib_login.py PORT MECHANISM USER PASSWORD [CERTIFICATE]

With a certificate STARTTLS comes first. Exit status 1 and the server's reply on a refusal.
"""
import smtplib
import ssl
import sys

port, mechanism, user, password = sys.argv[1:5]
session = smtplib.SMTP("127.0.0.1", int(port), local_hostname="client.example", timeout=15)
if len(sys.argv) > 5:
    session.starttls(context=ssl.create_default_context(cafile=sys.argv[5]))
session.ehlo()
session.user, session.password = user, password
speak = {"PLAIN": session.auth_plain, "LOGIN": session.auth_login, "CRAM-MD5": session.auth_cram_md5}[mechanism]
try:
    session.auth(mechanism, speak, initial_response_ok=mechanism == "PLAIN")
except smtplib.SMTPAuthenticationError as refusal:
    sys.exit(f"{refusal.smtp_code} {refusal.smtp_error.decode()}")
session.sendmail("alice@mail.example", ["bob@mail.example"], b"Subject: hello\r\n\r\nhello\r\n")
session.quit()
