"""What we sign verifies with opendkim's library, python3-dkim and Mail::DKIM; what was changed afterwards does not.

The messages are tests/golden/dkim/*.signed, which the unit tests prove to be what we make of the *.eml beside them."""

import base64
import ctypes
import pathlib
import subprocess

import dkim
import pytest

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/dkim"
NAME = "golden._domainkey.example.org"


def record():
    der = subprocess.run(["openssl", "rsa", "-in", GOLDEN / "key.pem", "-pubout", "-outform", "DER"],
                         check=True, capture_output=True).stdout
    return "v=DKIM1; k=rsa; p=" + base64.b64encode(der).decode()


def messages():
    """As they arrive: SMTP ends the last line if the message does not."""
    return {path.stem: path.read_bytes().removesuffix(b"\r\n") + b"\r\n" for path in sorted(GOLDEN.glob("*.signed"))}


def tampered():
    """Changes that must break the signature of every message they apply to."""
    changes = {
        "from": lambda m: m.replace(b"alice@", b"alicf@", 1),
        "subject": lambda m: m.replace(b"Subject: ", b"Subject: Re: ", 1),
        "date": lambda m: m.replace(b"2023 23:13:20", b"2023 23:13:21", 1),
        "second_from": lambda m: m.replace(b"\r\nTo: ", b"\r\nFrom: eve@example.com\r\nTo: ", 1),
        "second_subject": lambda m: m.replace(b"\r\nTo: ", b"\r\nSubject: urgent\r\nTo: ", 1),
        "added_reply_to": lambda m: m.replace(b"\r\nTo: ", b"\r\nReply-To: eve@example.com\r\nTo: ", 1),
        "body": lambda m: m + b"more\r\n",
        "signature": lambda m: m.replace(b"t=1700000000", b"t=1700000001", 1),
        "other_order": lambda m: m.replace(b"one@example.net", b"@@").replace(b"two@example.net", b"one@example.net")
                                  .replace(b"@@", b"two@example.net"),
    }
    for name in ("fields_several_times", "every_signed_field", "blanks_in_body", "eight_bit"):
        whole = messages()[name]
        for change, make in changes.items():
            if make(whole) != whole:
                yield f"{name}.{change}", make(whole)


def python_dkim(files, _directory):
    answer = record().encode()
    # It does not read fields with white space before the colon (obsolete, RFC 5322 §4.5.8), whoever signed them.
    return {name: dkim.verify(message.replace(b"Reply-To :", b"Reply-To:"), dnsfunc=lambda asked, timeout=5: answer)
            for name, message in files.items()}


def mail_dkim(files, directory):
    paths = []
    for name, message in files.items():
        paths.append(directory / name)
        paths[-1].write_bytes(message)
    script = pathlib.Path(__file__).with_name("verify_mail_dkim.pl")
    done = subprocess.run(["perl", script, NAME, record(), *paths], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    results = (line.split(" ", 1) for line in done.stdout.splitlines())
    return {pathlib.Path(path).name: result == "pass" for result, path in results}


def opendkim(files, directory):
    """libopendkim through its C interface (dkim.h): the keys come from a file instead of DNS."""
    library = ctypes.CDLL("libopendkim.so.11")
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
            ("dkim_init", pointer, [pointer, pointer]), ("dkim_close", None, [pointer]),
            ("dkim_options", number, [pointer, number, number, pointer, ctypes.c_size_t]),
            ("dkim_verify", pointer, [pointer, text, pointer, ctypes.POINTER(number)]),
            ("dkim_chunk", number, [pointer, text, ctypes.c_size_t]),
            ("dkim_eom", number, [pointer, pointer]), ("dkim_free", number, [pointer])):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    op_setopt, opts_querymethod, opts_queryinfo, query_file, status_ok = 1, 6, 7, 1, 0
    keys = directory / "opendkim.keys"
    keys.write_text(f"{NAME} {record()}\n")
    context = library.dkim_init(None, None)
    method, path = ctypes.c_int(query_file), ctypes.create_string_buffer(str(keys).encode(), 1024)
    for option, value, size in ((opts_querymethod, method, 4), (opts_queryinfo, path, 1024)):
        assert library.dkim_options(context, op_setopt, option, ctypes.addressof(value), size) == status_ok
    verified = {}
    for name, message in files.items():
        status = ctypes.c_int()
        handle = library.dkim_verify(context, b"test", None, ctypes.byref(status))
        assert status.value == status_ok
        assert library.dkim_chunk(handle, message, len(message)) == status_ok
        library.dkim_chunk(handle, None, 0)
        verified[name] = library.dkim_eom(handle, None) == status_ok
        library.dkim_free(handle)
    library.dkim_close(context)
    return verified


@pytest.mark.parametrize("verifier", ["opendkim", "python_dkim", "mail_dkim"])
def test_golden_signatures_verify(verifier, tmp_path):
    verify = globals()[verifier]
    good = messages()
    assert len(good) >= 18
    assert verify(good, tmp_path) == {name: True for name in good}

    bad = dict(tampered())
    assert len(bad) >= 20
    assert verify(bad, tmp_path) == {name: False for name in bad}
