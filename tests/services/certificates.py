"""Certificates of an authority that nobody trusts but tests, made once a machine by the program `openssl`.

What lies in the folder (all in PEM; keys are of P-256 in PKCS #8, for which every one of our servers has a reader):

    ca.pem                     the authority
    other-ca.pem               another authority, which has signed nothing below except `stranger`
    server.pem, .key           for localhost and 127.0.0.1
    named.pem, .key            for localhost alone
    expired.pem, .key          the same, expired in 2020
    client.pem, .key           a client; client-locked.key is its key under the password of `LOCK`
    client-expired.pem, .key   a client whose certificate expired in 2020
    stranger.pem, .key         a client of the other authority
    tokens.key, jwks.json      what tokens are signed with (RSA), and how their signatures are checked
"""

import base64
import json
import shutil
import subprocess

import cache
import debian

LOCK = "locked-5678"
# Whoever changes what is made here makes the next version, since finished entries are never changed.
ENTRY = "certificates-2"
KEY_ID = "tests"

VALID = ("20250101000000Z", "20450101000000Z")
PAST = ("20200101000000Z", "20200201000000Z")
SERVER = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"
NAMED = "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n"
CLIENT = "extendedKeyUsage=clientAuth\n"
AUTHORITY = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"

CONFIGURATION = """
[authority]
database = work/index
new_certs_dir = work
policy = anything
default_md = sha256
rand_serial = yes
unique_subject = no
[anything]
commonName = supplied
"""


def folder():
    """Where they are."""
    debian.require("openssl", ["openssl"])
    return cache.entry(ENTRY, make)


def make(directory):
    (directory / "work").mkdir()
    issue(directory, "ca", "Tidegate test authority", AUTHORITY, VALID, "ca")
    issue(directory, "other-ca", "Another test authority", AUTHORITY, VALID, "other-ca")
    issue(directory, "server", "localhost", SERVER, VALID, "ca")
    issue(directory, "named", "localhost", NAMED, VALID, "ca")
    issue(directory, "expired", "localhost", SERVER, PAST, "ca")
    issue(directory, "client", "tidegate", CLIENT, VALID, "ca")
    issue(directory, "client-expired", "tidegate", CLIENT, PAST, "ca")
    issue(directory, "stranger", "stranger", CLIENT, VALID, "other-ca")
    openssl(directory, "pkcs8", "-topk8", "-in", "client.key", "-out", "client-locked.key", "-v2", "aes-256-cbc",
            "-passout", f"pass:{LOCK}")
    openssl(directory, "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "tokens.key")
    modulus = openssl(directory, "rsa", "-in", "tokens.key", "-noout", "-modulus").strip().removeprefix("Modulus=")
    key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, "e": "AQAB", "n": base64url(bytes.fromhex(modulus))}
    (directory / "jwks.json").write_text(json.dumps({"keys": [key]}))
    shutil.rmtree(directory / "work")


def issue(directory, name, subject, extensions, validity, issuer):
    """A key and a certificate; of itself where it is its own issuer."""
    openssl(directory, "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key")
    openssl(directory, "req", "-new", "-key", f"{name}.key", "-subj", f"/CN={subject}", "-out", "work/request")
    for file, text in (("extensions", extensions), ("configuration", CONFIGURATION), ("index", "")):
        (directory / "work" / file).write_text(text)
    signed = ["-selfsign"] if issuer == name else ["-cert", f"{issuer}.pem"]
    openssl(directory, "ca", "-batch", "-notext", "-config", "work/configuration", "-name", "authority", *signed,
            "-keyfile", f"{issuer}.key", "-in", "work/request", "-extfile", "work/extensions", "-startdate", validity[0],
            "-enddate", validity[1], "-out", f"{name}.pem")


def openssl(directory, *words):
    return cache.fetch(["openssl", *words], "a test certificate", cwd=directory)


def signature(key, text):
    """RS256 of a text."""
    done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text.encode(), capture_output=True,
                          check=True)
    return done.stdout


def base64url(content):
    return base64.urlsafe_b64encode(content).decode().rstrip("=")
