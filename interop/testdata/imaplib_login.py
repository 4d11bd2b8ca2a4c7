"""Logs in with Python's imaplib: imaplib_login.py PORT MECHANISM USER PASSWORD [CERTIFICATE]

With a certificate STARTTLS comes first. The mechanism "command" is IMAP's own LOGIN.
"""
import imaplib
import ssl
import sys

port, mechanism, user, password = sys.argv[1:5]
session = imaplib.IMAP4("127.0.0.1", int(port), timeout=15)
if len(sys.argv) > 5:
    session.starttls(ssl.create_default_context(cafile=sys.argv[5]))
lines = iter([user.encode(), password.encode()])
try:
    if mechanism == "command":
        session.login(user, password)
    elif mechanism == "CRAM-MD5":
        session.login_cram_md5(user, password)
    elif mechanism == "LOGIN":
        session.authenticate(mechanism, lambda prompt: next(lines))
    else:
        session.authenticate(mechanism, lambda challenge: f"\0{user}\0{password}".encode())
except imaplib.IMAP4.error as refusal:
    sys.exit(str(refusal))
session.select("INBOX")
session.logout()
