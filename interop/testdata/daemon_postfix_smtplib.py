"""Logs in with whatever Python's smtplib chooses: daemon_postfix_smtplib.py PORT USER PASSWORD [CERTIFICATE]

With a certificate STARTTLS comes first. Exit status 1 and the server's reply on a refusal.
"""
import smtplib
import ssl
import sys

port, user, password = sys.argv[1:4]
session = smtplib.SMTP("127.0.0.1", int(port), local_hostname="client.example", timeout=15)
if len(sys.argv) > 4:
    session.starttls(context=ssl.create_default_context(cafile=sys.argv[4]))
try:
    session.login(user, password)
except smtplib.SMTPAuthenticationError as refusal:
    sys.exit(f"{refusal.smtp_code} {refusal.smtp_error.decode()}")
session.sendmail("alice@mail.example", ["bob@mail.example"], b"Subject: hello\r\n\r\nhello\r\n")
session.quit()
