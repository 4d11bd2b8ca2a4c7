"""Logs in with the client half of Cyrus SASL: libsasl2_login.py smtp|imap PORT MECHANISM USER PASSWORD [CERTIFICATE [BINDING]]

MECHANISM may be followed by options of the library, as in NTLM,ntlm_v2=yes.

The library computes every message; this script only carries them. With a certificate STARTTLS comes first. For a
mechanism with -PLUS the library is told of a channel binding, tls-server-end-point or tls-unique, which TLS 1.3 does not
have. The exit status is 0 if the server said yes and the library is content with the server's proof, where the mechanism
has one.
"""
import base64
import hashlib
import socket
import ssl
import sys
from ctypes import (CDLL, CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_uint, c_ulong, c_void_p, cast,
                    create_string_buffer, string_at)

OK, CONTINUE, FAIL = 0, 1, -1
CB_END, CB_GETOPT, CB_USER, CB_AUTHNAME, CB_PASS, CB_GETREALM = 0, 1, 0x4001, 0x4002, 0x4004, 0x4008
CHANNEL_BINDING, SEC_PROPS = 21, 101

protocol, port, mechanism, user, password = sys.argv[1:6]
mechanism, *options = mechanism.split(",")
options = dict(o.split("=") for o in options)
certificate = sys.argv[6] if len(sys.argv) > 6 else None
binding = sys.argv[7] if len(sys.argv) > 7 else "tls-server-end-point"


class Callback(Structure):
    _fields_ = [("id", c_ulong), ("proc", c_void_p), ("context", c_void_p)]


class SecurityProperties(Structure):
    _fields_ = [("min_ssf", c_uint), ("max_ssf", c_uint), ("maxbufsize", c_uint), ("flags", c_uint),
                ("names", c_void_p), ("values", c_void_p)]


class ChannelBinding(Structure):
    _fields_ = [("name", c_char_p), ("critical", c_int), ("len", c_ulong), ("data", c_char_p)]


def memory(content):
    """C memory that lives as long as the process."""
    memory.kept.append(create_string_buffer(content))
    return cast(memory.kept[-1], c_void_p).value


memory.kept = []


@CFUNCTYPE(c_int, c_void_p, c_int, POINTER(c_void_p), POINTER(c_uint))
def simple(_, which, result, length):
    name = user.encode() if which == CB_AUTHNAME else b""  # no authorization identity
    result[0] = memory(name)
    if length:
        length[0] = len(name)
    return OK


@CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, POINTER(c_void_p))
def secret(_conn, _context, _which, result):
    # struct { unsigned long len; unsigned char data[]; }
    word = password.encode()
    result[0] = memory(len(word).to_bytes(8, sys.byteorder) + word)
    return OK


@CFUNCTYPE(c_int, c_void_p, c_int, POINTER(c_char_p), POINTER(c_void_p))
def realm(_, _which, offered, result):
    result[0] = memory(offered[0])
    return OK


@CFUNCTYPE(c_int, c_void_p, c_char_p, c_char_p, POINTER(c_void_p), POINTER(c_uint))
def option(_, _plugin, name, result, length):
    value = options.get(name.decode())
    if value is None:
        return FAIL
    result[0] = memory(value.encode())
    if length:
        length[0] = len(value)
    return OK


class Cyrus:
    """One login attempt of libsasl2."""

    def __init__(self):
        self.lib = CDLL("libsasl2.so.2")
        self.lib.sasl_errdetail.restype = c_char_p
        procs = [(CB_GETOPT, option), (CB_USER, simple), (CB_AUTHNAME, simple), (CB_PASS, secret), (CB_GETREALM, realm)]
        table = [Callback(i, cast(p, c_void_p).value, None) for i, p in procs] + [Callback(CB_END, None, None)]
        self.callbacks = (Callback * len(table))(*table)
        self.conn = c_void_p()
        self.must("sasl_client_init", self.lib.sasl_client_init(self.callbacks))
        self.must("sasl_client_new", self.lib.sasl_client_new(
            protocol.encode(), b"localhost", None, None, self.callbacks, 0, byref(self.conn)))
        no_layer = SecurityProperties(0, 0, 0, 0, None, None)
        self.must("sasl_setprop", self.lib.sasl_setprop(self.conn, SEC_PROPS, byref(no_layer)))

    def bind(self, data):
        self.bound = ChannelBinding(binding.encode(), 1, len(data), data)
        self.must("sasl_setprop", self.lib.sasl_setprop(self.conn, CHANNEL_BINDING, byref(self.bound)))

    def must(self, what, code):
        if code not in (OK, CONTINUE):
            detail = self.lib.sasl_errdetail(self.conn) if self.conn else b""
            sys.exit(f"{what}: {code} {(detail or b'').decode()}")
        self.code = code

    def start(self):
        out, length, chosen = c_void_p(), c_uint(), c_char_p()
        self.must("sasl_client_start", self.lib.sasl_client_start(
            self.conn, mechanism.encode(), None, byref(out), byref(length), byref(chosen)))
        return string_at(out.value, length.value) if out.value else None

    def step(self, challenge):
        out, length = c_void_p(), c_uint()
        self.must("sasl_client_step", self.lib.sasl_client_step(
            self.conn, challenge, len(challenge), None, byref(out), byref(length)))
        return string_at(out.value, length.value) if out.value else b""


class Wire:
    """The lines of one connection; both directions are printed."""

    def __init__(self):
        self.socket = socket.create_connection(("127.0.0.1", int(port)), 15)
        self.file = self.socket.makefile("rb")

    def say(self, line):
        print("C:", line)
        self.socket.sendall(line.encode() + b"\r\n")

    def reply(self):
        """The last line of a reply: no 250-continuation, nothing untagged."""
        while True:
            line = self.file.readline().decode().rstrip("\r\n")
            print("S:", line)
            if not line or not (line.startswith("* ") or line[3:4] == "-"):
                return line

    def start_tls(self, command):
        self.say(command)
        self.reply()
        context = ssl.create_default_context(cafile=certificate)
        if binding == "tls-unique":
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")

    def binding(self):
        if binding == "tls-unique":
            return self.socket.get_channel_binding(binding)
        return hashlib.sha256(self.socket.getpeercert(binary_form=True)).digest()  # as its signature does


wire = Wire()
if protocol == "smtp":
    begin, challenge_mark, yes = "AUTH", "334 ", "235"
    wire.reply()
    wire.say("EHLO client.example")
    wire.reply()
    if certificate:
        wire.start_tls("STARTTLS")
        wire.say("EHLO client.example")
        wire.reply()
else:
    begin, challenge_mark, yes = "a AUTHENTICATE", "+ ", "a OK"
    wire.file.readline()
    if certificate:
        wire.start_tls("s STARTTLS")

cyrus = Cyrus()
if mechanism.endswith("-PLUS"):
    cyrus.bind(wire.binding())
initial = cyrus.start()
command = f"{begin} {mechanism}"
if initial is not None:
    command += " " + (base64.b64encode(initial).decode() or "=")
wire.say(command)
answer = wire.reply()
while answer.startswith(challenge_mark):
    response = cyrus.step(base64.b64decode(answer[len(challenge_mark):]))
    wire.say(base64.b64encode(response).decode())
    answer = wire.reply()
if not answer.startswith(yes):
    sys.exit(answer)
if cyrus.code == CONTINUE:
    sys.exit("the server said yes before it proved itself")
