#!/usr/bin/env python3
"""Makes vectors.tsv: ./vectors.py > vectors.tsv

Debian packages: whois (mkpasswd), dovecot-core, apache2-utils, openssl, perl. Each line
has the program, the scheme as this package names it ("-" for one that it refuses), the
password as a JSON string and the stored value, separated by tabs.
"""
import base64, hashlib, json, os, subprocess

passwords = ["Pa5 ü;x", "eightchr", "ninechars", "x" * 71 + "y", "x" * 72 + "y",
             "ä,'\"\\$(" * 31 + "the end"]
assert [len(p.encode()) for p in passwords[1:]] == [8, 9, 72, 73, 255]


def run(*argv, stdin="", env={}):
    return subprocess.run(argv, input=stdin, env={**os.environ, **env}, capture_output=True, text=True, check=True).stdout.strip()


def emit(tool, scheme, password, stored):
    assert stored and not stored.startswith("*"), tool
    print(tool, scheme, json.dumps(password), stored, sep="\t")


def mkpasswd(method, scheme, *options):
    for p in some(scheme, options):
        emit("mkpasswd -m " + " ".join([method, *options]), scheme, p, run("mkpasswd", "-s", "-m", method, *options, stdin=p))


def some(scheme, options):
    """Fewer for hashes that take long to compute."""
    dear = scheme in ("scrypt", "sunmd5", "argon2i", "argon2id") or options in (("-R", "6"), ("-C", "8"))
    return passwords[::5] if dear else passwords


def perl(scheme, setting):
    for p in passwords:
        emit("perl crypt", scheme, p, run("perl", "-e", "print crypt($ENV{P}, $ENV{S})", env={"P": p, "S": setting}))


def dovecot(name, scheme, *options):
    for p in some(scheme, options):
        emit("doveadm pw -s " + name, scheme, p, run("doveadm", "pw", "-s", name, "-u", "user@realm", *options, "-p", p))


def htpasswd(scheme, *options):
    for p in some(scheme, options[1:]):
        emit("htpasswd -n " + " ".join(options), scheme, p, run("htpasswd", "-ni", *options, "user", stdin=p).removeprefix("user:"))


def openssl(scheme, option):
    for p in passwords:
        emit("openssl passwd " + option, scheme, p, run("openssl", "passwd", option, "-stdin", stdin=p))


def openldap_pbkdf2(scheme, digest, rounds):
    """As OpenLDAP's contrib/slapd-modules/passwd/pbkdf2 writes them."""
    def ab64(b):
        return base64.b64encode(b).decode().rstrip("=").replace("+", ".")
    for p in passwords:
        salt = os.urandom(16)
        key = hashlib.pbkdf2_hmac(digest, p.encode(), salt, rounds)
        emit("python hashlib", "PBKDF2-" + digest.upper(), p, f"{{{scheme}}}{rounds}${ab64(salt)}${ab64(key)}")


def ldap(scheme, digest, salt):
    """As OpenLDAP and its contrib/slapd-modules/passwd/sha2 write them."""
    for p in passwords:
        s = os.urandom(salt)
        value = base64.b64encode(hashlib.new(digest, p.encode() + s).digest() + s).decode()
        emit("python hashlib", {"SHA": "SHA1"}.get(scheme, scheme), p, f"{{{scheme}}}{value}")


mkpasswd("yescrypt", "yescrypt")
mkpasswd("yescrypt", "yescrypt", "-R", "1")
mkpasswd("yescrypt", "yescrypt", "-R", "6")
mkpasswd("gost-yescrypt", "-")
mkpasswd("scrypt", "scrypt")
mkpasswd("scrypt", "scrypt", "-R", "6")
mkpasswd("bcrypt", "bcrypt")
mkpasswd("bcrypt", "bcrypt", "-R", "4")
mkpasswd("bcrypt-a", "bcrypt")
mkpasswd("sha512crypt", "sha512crypt")
mkpasswd("sha512crypt", "sha512crypt", "-R", "1000")
mkpasswd("sha256crypt", "sha256crypt")
mkpasswd("sha256crypt", "sha256crypt", "-R", "12345")
mkpasswd("sunmd5", "sunmd5")
mkpasswd("md5crypt", "md5crypt")
mkpasswd("bsdicrypt", "bsdicrypt")
mkpasswd("bsdicrypt", "bsdicrypt", "-R", "10001")
mkpasswd("descrypt", "descrypt")
mkpasswd("nt", "nt")

perl("sha1crypt", "$sha1$1000$saltsalt")
perl("sha1crypt", "$sha1$1$s")
perl("sunmd5", "$md5$saltsalt$")
perl("sunmd5", "$md5$saltsalt")
perl("sunmd5", "$md5,rounds=904$saltsalt$")
perl("sunmd5", "$md5,rounds=904$saltsalt")
perl("sunmd5", "$md5$rounds=904$saltsalt$")
perl("sunmd5", "$md5,saltsalt")
perl("sunmd5", "$md5$$")
perl("yescrypt", "$y$j75$")
perl("yescrypt", "$y$j/5$" + "abcd" * 21 + "./")
perl("scrypt", "$7$4/....1....saltsalt")
perl("scrypt", "$7$41..../....")
perl("bsdicrypt", "_....salt")
perl("bsdicrypt", "_/...zzzz")
perl("sha512crypt", "$6$$")
perl("sha512crypt", "$6$rounds=5000$a&b(c)d'e/f.g#h,$")
perl("md5crypt", "$1$$")

for name, scheme in {
        "ARGON2I": "argon2i", "ARGON2ID": "argon2id", "ARGON2ID.HEX": "argon2id", "BLF-CRYPT": "bcrypt", "CRYPT": "bcrypt",
        "DES-CRYPT": "descrypt", "MD5-CRYPT": "md5crypt", "MD5": "md5crypt", "SHA256-CRYPT": "sha256crypt",
        "SHA512-CRYPT": "sha512crypt", "SHA512-CRYPT.B64": "sha512crypt", "LDAP-MD5": "MD5", "LDAP-MD5.HEX": "MD5",
        "PLAIN-MD5": "MD5", "PLAIN-MD5.BASE64": "MD5", "PLAIN-MD4": "MD4", "PLAIN-MD4.b64": "MD4", "SMD5": "SMD5",
        "SMD5.hex": "SMD5", "SHA": "SHA1", "SHA1": "SHA1", "SHA1.HEX": "SHA1", "SSHA": "SSHA", "SSHA.HEX": "SSHA",
        "SHA256": "SHA256", "SHA256.hex": "SHA256", "SSHA256": "SSHA256", "SSHA256.HEX": "SSHA256", "SHA512": "SHA512",
        "SSHA512": "SSHA512", "PBKDF2": "PBKDF2-SHA1", "PLAIN": "-", "CLEAR": "-", "CLEARTEXT": "-", "PLAIN-TRUNC": "-",
        "CRAM-MD5": "-", "HMAC-MD5": "-", "DIGEST-MD5": "-", "SCRAM-SHA-1": "-", "SCRAM-SHA-256": "-", "OTP": "-"}.items():
    dovecot(name, scheme)
dovecot("SHA512-CRYPT", "sha512crypt", "-r", "1500")
dovecot("PBKDF2", "PBKDF2-SHA1", "-r", "1")

htpasswd("apr1", "-m")
htpasswd("bcrypt", "-B")
htpasswd("bcrypt", "-B", "-C", "8")
htpasswd("descrypt", "-d")
htpasswd("SHA1", "-s")
htpasswd("sha512crypt", "-5")
htpasswd("sha512crypt", "-5", "-r", "1234")
htpasswd("sha256crypt", "-2")
htpasswd("sha256crypt", "-2", "-r", "4321")

openssl("apr1", "-apr1")
openssl("md5crypt", "-1")
openssl("sha256crypt", "-5")
openssl("sha512crypt", "-6")

openldap_pbkdf2("PBKDF2", "sha1", 10000)
openldap_pbkdf2("PBKDF2-SHA1", "sha1", 1)
openldap_pbkdf2("PBKDF2-SHA256", "sha256", 10000)
openldap_pbkdf2("PBKDF2-SHA512", "sha512", 1000)
for scheme, digest, salt in [("MD5", "md5", 0), ("SMD5", "md5", 8), ("SHA", "sha1", 0), ("SSHA", "sha1", 16), ("SHA256", "sha256", 0), ("SSHA256", "sha256", 8),
                             ("SHA384", "sha384", 0), ("SSHA384", "sha384", 8), ("SHA512", "sha512", 0), ("SSHA512", "sha512", 8)]:
    ldap(scheme, digest, salt)
