"""Prints the digests that reference_test.go expects, from Python's tables.

The tables are those of the modules stringprep and unicodedata.ucd_3_2_0. NFKC
is computed here: ucd_3_2_0.normalize composes and reorders characters that
Unicode 3.2 did not have (U+1B05 U+1B35, for one).

python3 reference.py         prints the digests
python3 reference.py --dump  prints the results they are computed over
"""

import functools
import hashlib
import stringprep as sp
import sys
import unicodedata

ucd = unicodedata.ucd_3_2_0

# NormalizationCorrections.txt: what 3.2 had before Corrigendum 4.
CORRECTED = {0x2F868: "\U0002136A", 0x2F874: "\u5F33", 0x2F91F: "\u43AB", 0x2F95F: "\u7AAE", 0x2F9BF: "\u4D57"}
EVERY = [chr(r) for r in range(0x110000) if not 0xD800 <= r < 0xE000]


def assigned(c):
    return ucd.category(c) != "Cn"


@functools.cache
def decomposition(c):
    r = ord(c)
    if not assigned(c):
        return c
    if r in CORRECTED:
        return CORRECTED[r]
    if 0xAC00 <= r < 0xD7A4:
        lv, t = divmod(r - 0xAC00, 28)
        l, v = divmod(lv, 21)
        return chr(0x1100 + l) + chr(0x1161 + v) + (chr(0x11A7 + t) if t else "")
    parts = [p for p in ucd.decomposition(c).split() if not p.startswith("<")]
    return "".join(decomposition(chr(int(p, 16))) for p in parts) or c


def primary_composites():
    pairs = {}
    for c in EVERY:
        parts = ucd.decomposition(c).split()
        # NFC of one character is not itself if it is excluded from composition
        if assigned(c) and len(parts) == 2 and not parts[0].startswith("<") and ucd.normalize("NFC", c) == c:
            pairs[tuple(chr(int(p, 16)) for p in parts)] = c
    for s in range(0xAC00, 0xD7A4):
        lv, t = divmod(s - 0xAC00, 28)
        l, v = divmod(lv, 21)
        pair = (chr(0xAC00 + 28 * lv), chr(0x11A7 + t)) if t else (chr(0x1100 + l), chr(0x1161 + v))
        pairs[pair] = chr(s)
    return pairs


COMPOSITES = primary_composites()


def nfkc(s):
    cs = [c for d in s for c in decomposition(d)]
    ccc = ucd.combining
    for i in range(1, len(cs)):  # canonical ordering
        while i > 0 and ccc(cs[i - 1]) > ccc(cs[i]) > 0:
            cs[i - 1], cs[i] = cs[i], cs[i - 1]
            i -= 1
    out, starter = [], None
    for c in cs:
        if starter is not None:
            blocked = starter != len(out) - 1 and ccc(out[-1]) >= ccc(c)
            composite = COMPOSITES.get((out[starter], c))
            if composite and not blocked:
                out[starter] = composite
                continue
        if ccc(c) == 0:
            starter = len(out)
        out.append(c)
    return "".join(out)


TRACE = [sp.in_table_c21, sp.in_table_c22, sp.in_table_c3, sp.in_table_c4, sp.in_table_c5,
         sp.in_table_c6, sp.in_table_c8, sp.in_table_c9]
SASLPREP = TRACE + [sp.in_table_c12, sp.in_table_c7]


def allowed(s, tables):
    if any(table(c) for c in s for table in tables):
        return False
    if not any(map(sp.in_table_d1, s)):
        return True
    return not any(map(sp.in_table_d2, s)) and sp.in_table_d1(s[0]) and sp.in_table_d1(s[-1])


def results(s):
    mapped = "".join(" " if sp.in_table_c12(c) else c for c in s if sp.in_table_c12(c) or not sp.in_table_b1(c))
    query = nfkc(mapped)
    if not allowed(query, SASLPREP):
        query = stored = "\0"
    else:
        stored = "\0" if any(map(sp.in_table_a1, query)) else query
    trace = "ok" if allowed(s, TRACE) else "\0"
    return f"{query}\n{stored}\n{trace}\n".encode()


ALPHABETS = [(0x0020, 0x007E), (0x00A0, 0x024F), (0x0300, 0x036F), (0x0370, 0x03FF), (0x0590, 0x05FF),
             (0x0600, 0x06FF), (0x0900, 0x0DFF), (0x1100, 0x11FF), (0x1B00, 0x1B7F), (0x1DC0, 0x1DFF),
             (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2100, 0x218F), (0x3040, 0x30FF), (0xAC00, 0xAC7F),
             (0xFB00, 0xFEFF), (0x11080, 0x110FF), (0x1D150, 0x1D1FF), (0x1F600, 0x1F64F), (0x2F800, 0x2FA1F)]
MARKS = (0x0300, 0x036F)


def strings(count):
    state = 1

    def below(n):
        nonlocal state
        state = (state * 1664525 + 1013904223) % 2**32
        return (state >> 16) % n

    def one_of(alphabet):
        return chr(alphabet[0] + below(alphabet[1] - alphabet[0] + 1))

    for i in range(count):
        two = [ALPHABETS[below(len(ALPHABETS))] for _ in range(2)]
        s = "".join(one_of(two[below(2)]) for _ in range(1 + below(6)))
        if i % 64 == 0:  # more marks than x/text leaves together
            s += "".join(one_of(MARKS) for _ in range(40))
        yield s


if __name__ == "__main__":
    for name, inputs in ("code points", EVERY), ("strings", strings(50000)):
        digest = hashlib.sha256()
        for s in inputs:
            digest.update(results(s))
            if sys.argv[1:] == ["--dump"]:
                print(ascii(s), *map(ascii, results(s).decode().split("\n")[:3]))
        print(name, digest.hexdigest())
