"""shared/tokens.py: one session has one spelling of its token, and nothing else verifies."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import CaddieError
from shared.tokens import (
    HEADERS_MAX,
    LEEWAY_S,
    SESSION_SCOPES,
    TOKEN_LENGTH_MAX,
    TOKEN_TYPE,
    TTL_MAX_S,
    KeyTable,
    Session,
    Tokens,
)

NOW = 1_800_000_000
SECRET = "0123456789abcdef0123456789abcdef-shared"
HEADER: dict[str, Any] = {"alg": "HS256", "typ": TOKEN_TYPE, "kid": "k1"}
CLAIMS: dict[str, Any] = {
    "iss": "caddie", "aud": "caddie-socket", "sub": "7", "org": 3, "sid": "s1", "conv": "c:1", "scp": ["read", "write"],
    "jti": "j1", "iat": NOW, "nbf": NOW, "exp": NOW + 900,
}  # fmt: skip
Change = Callable[[dict[str, Any]], dict[str, Any]]


def tokens(table: str | None = None, now: float = NOW) -> Tokens:
    return Tokens(KeyTable.parse(table or json.dumps({"k1": SECRET})), "caddie", "caddie-socket", 900, lambda: now)


def segment(raw: bytes | str) -> str:
    data = raw.encode() if isinstance(raw, str) else raw
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(header: bytes | str, claims: bytes | str, secret: str | bytes = SECRET) -> str:
    """A token with a right HMAC over whatever text is given."""
    signed = f"{segment(header)}.{segment(claims)}"
    key = secret.encode() if isinstance(secret, str) else secret
    return f"{signed}.{segment(hmac.digest(key, signed.encode(), hashlib.sha256))}"


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def made(header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None) -> str:
    return sign(compact(HEADER if header is None else header), compact(CLAIMS if claims is None else claims))


def outcome(verifier: Tokens, token: object) -> Session | str:
    try:
        return verifier.verify(token)
    except CaddieError as error:
        return error.code


def acquainted(verifier: Tokens) -> Tokens:
    """One that has seen a good token, and takes the short cut for those that look like it."""
    verifier.verify(made())
    return verifier


class Thorough(Tokens):
    """Takes the long way with every token: the strict reader, then PyJWT."""

    def _recognised(self, token: object) -> None:
        return None


def refused(token: object, verifier: Tokens | None = None) -> str:
    code = outcome(verifier or tokens(), token)
    assert isinstance(code, str)
    if verifier is None:
        assert outcome(acquainted(tokens()), token) == code
    return code


def pem(key: Any) -> tuple[str, str]:
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), public


def test_an_issued_token_proves_its_session() -> None:
    token, session = tokens().issue("s1", 3, 7, "c:1", frozenset({"read", "write", "admin"}))
    assert session == Session(
        "s1", 3, 7, "c:1", frozenset({"read", "write"}), session.token_id, NOW, NOW + 900,
    )  # fmt: skip
    assert tokens().verify(token) == session
    assert len(token) < 700
    header = jwt.get_unverified_header(token)
    assert header == HEADER


def test_a_hand_made_token_of_the_exact_form_verifies() -> None:
    assert tokens().verify(made()).user == 7


def test_two_tokens_of_one_session_differ() -> None:
    issuer = tokens()
    assert issuer.issue("s", 1, 1, "c", frozenset())[0] != issuer.issue("s", 1, 1, "c", frozenset())[0]


def test_a_token_never_lives_longer_than_an_hour() -> None:
    _, session = tokens().issue("s", 1, 1, "c", SESSION_SCOPES, ttl_s=10 * TTL_MAX_S)
    assert session.expires_at - session.issued_at == TTL_MAX_S


@pytest.mark.parametrize("value", [None, 1, b"a.b.c", ["a.b.c"], {"token": "x"}, True, ""])
def test_what_is_no_text_is_malformed(value: object) -> None:
    assert refused(value) == "TOKEN_MALFORMED"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token + "=",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: "Bearer " + token,
        lambda token: token.replace(".", "=.", 1),
        lambda token: token + ".",
        lambda token: token + ".x",
        lambda token: token.rpartition(".")[0],
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: token.replace(".", "..", 1),
        lambda token: token[:-1] + chr(ord(token[-1]) + 1),  # unused bits of the last character set
        lambda token: token[:-1] + "+",
        lambda token: token[:-1] + "é",
        lambda token: token[:-1] + "\ud800",
        lambda token: token[:5] + "\x00" + token[6:],
        lambda token: "A" + token,
    ],
)
def test_another_spelling_is_malformed(spoil: Callable[[str], str]) -> None:
    token = made()
    # 32 bytes of signature: the last of 43 characters carries four bits, so its neighbour decodes to the same bytes.
    assert token[-1] in "AEIMQUYcgkosw048"
    assert refused(spoil(token)) == "TOKEN_MALFORMED"


def test_a_token_is_bounded_before_it_is_read() -> None:
    padded = {**CLAIMS, "jti": "j" * 2_000}
    assert refused(made(claims=padded)) == "TOKEN_MALFORMED"
    assert refused("a" * 10_000_000) == "TOKEN_MALFORMED"
    room = TOKEN_LENGTH_MAX - len(made(claims={**CLAIMS, "jti": ""}))
    assert tokens().verify(made(claims={**CLAIMS, "jti": "j" * (room * 3 // 4 - 2)}))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(CLAIMS)[:-1] + ', "sub": "8"}',
        "\ufeff" + json.dumps(CLAIMS),
        json.dumps(CLAIMS).encode("utf-16"),
        json.dumps(CLAIMS).encode("utf-32"),
        json.dumps(CLAIMS)[:-1] + ', "x": NaN}',
        json.dumps(CLAIMS)[:-1] + ', "x": -Infinity}',
        json.dumps(CLAIMS)[:-1] + ', "x": "\\ud800"}',
        json.dumps(CLAIMS) + "{}",
        json.dumps(CLAIMS)[:-1] + ",}",
        "[" * 700 + "]" * 700,
        '{"a":' * 250 + "1",
        json.dumps([CLAIMS]),
        '"text"',
        "null",
        b"\xff\xfe",
        " ",
    ],
)
def test_claims_that_are_not_one_plain_json_object_are_malformed(text: str | bytes) -> None:
    assert refused(sign(json.dumps(HEADER), text)) == "TOKEN_MALFORMED"
    assert refused(sign(text, json.dumps(CLAIMS))) == "TOKEN_MALFORMED"


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "jku": "https://evil"},
        {**HEADER, "crit": ["exp"]},
        {**HEADER, "jwk": {}},
        {**HEADER, "b64": False},
        {**HEADER, "typ": "JWT"},
        {**HEADER, "typ": "Caddie-Session+JWT"},
        {**HEADER, "typ": None},
        {"alg": "HS256", "kid": "k1"},
        {"alg": "HS256", "typ": TOKEN_TYPE},
        {"typ": TOKEN_TYPE, "kid": "k1"},
        {},
    ],
)
def test_another_header_is_another_kind_of_token(header: dict[str, Any]) -> None:
    assert refused(made(header=header)) == "TOKEN_MALFORMED"


@pytest.mark.parametrize(
    "change",
    [{"alg": "none"}, {"alg": "HS512"}, {"alg": "EdDSA"}, {"alg": None}, {"alg": ["HS256"]}, {"alg": "hs256"},
     {"kid": "k2"}, {"kid": None}, {"kid": 1}, {"kid": ["k1"]}, {"kid": {}}, {"kid": "../k1"}, {"kid": ""}],
)  # fmt: skip
def test_another_key_or_algorithm_is_invalid(change: dict[str, Any]) -> None:
    assert refused(made(header={**HEADER, **change})) == "TOKEN_INVALID"


def test_alg_none_without_a_signature_is_refused() -> None:
    unsigned = f"{segment(json.dumps({**HEADER, 'alg': 'none'}))}.{segment(json.dumps(CLAIMS))}."
    assert refused(unsigned) == "TOKEN_MALFORMED"
    assert refused(unsigned + "AA") == "TOKEN_INVALID"


def test_another_signature_is_invalid() -> None:
    other_key = "another-secret-of-more-than-32-bytes"
    assert refused(sign(json.dumps(HEADER), json.dumps(CLAIMS), other_key)) == "TOKEN_INVALID"
    head, claims, _ = made().split(".")
    assert refused(f"{head}.{claims}.{segment(b'x' * 32)}") == "TOKEN_INVALID"
    other = segment(json.dumps({**CLAIMS, "sub": "8"}))
    assert refused(f"{head}.{other}.{made().split('.')[2]}") == "TOKEN_INVALID"


def test_the_public_key_is_no_shared_secret() -> None:
    """The classic confusion: HS256 keyed with the text of the EdDSA public key."""
    _, public = pem(Ed25519PrivateKey.generate())
    verifier = tokens(json.dumps({"k1": {"alg": "EdDSA", "key": public}}))
    for spelling in (public, public.strip(), public.encode()):
        assert refused(sign(json.dumps(HEADER), json.dumps(CLAIMS), spelling), verifier) == "TOKEN_INVALID"
        eddsa = json.dumps({**HEADER, "alg": "EdDSA"})
        assert refused(sign(eddsa, json.dumps(CLAIMS), spelling), verifier) == "TOKEN_INVALID"


def _without(name: str) -> Change:
    return lambda claims: {key: value for key, value in claims.items() if key != name}


def _with(**changes: Any) -> Change:
    return lambda claims: {**claims, **changes}


@pytest.mark.parametrize(
    "change",
    [_without(name) for name in CLAIMS]
    + [
        _with(extra=1),
        _with(aud=["caddie-socket"]),
        _with(aud="other"),
        _with(aud="caddie-socket "),
        _with(iss="other"),
        _with(iss=["caddie"]),
        _with(exp=str(NOW + 900)),
        _with(exp=NOW + 900.0),
        _with(exp=True),
        _with(exp=2**60),
        _with(exp=253_402_300_799),
        _with(exp=NOW),
        _with(exp=NOW - 1),
        _with(exp=NOW + TTL_MAX_S + 1),
        _with(iat=-1),
        _with(iat=None),
        _with(nbf=str(NOW)),
        _with(nbf=1e9),
        _with(nbf=NOW + LEEWAY_S + 1),
        _with(iat=NOW + LEEWAY_S + 1, nbf=NOW),
        _with(sub=7),
        _with(sub=""),
        _with(sub="-7"),
        _with(sub="٧"),
        _with(sub="²"),
        _with(sub="9" * 19),
        _with(org="3"),
        _with(org=True),
        _with(org=3.0),
        _with(sid=None),
        _with(conv=""),
        _with(conv="a b"),
        _with(conv="c\n"),
        _with(conv="c" * 129),
        _with(conv="{1:c}"),
        _with(jti=1),
        _with(scp="read"),
        _with(scp=["admin"]),
        _with(scp=["read", "eval"]),
        _with(scp=[["read"]]),
        _with(scp=[{}]),
        _with(scp=[None]),
        _with(scp={"read": 1}),
    ],
)
def test_other_claims_are_invalid_even_when_well_signed(change: Change) -> None:
    assert refused(made(claims=change(dict(CLAIMS)))) == "TOKEN_INVALID"


def test_an_integer_of_thousands_of_digits_is_refused() -> None:
    text = json.dumps(CLAIMS).replace(f'"exp": {NOW + 900}', '"exp": ' + "9" * 1_000)
    assert refused(sign(json.dumps(HEADER), text)) in ("TOKEN_MALFORMED", "TOKEN_INVALID")


@pytest.mark.parametrize("offset", [0, 900, 900 + LEEWAY_S])
def test_a_token_lives_until_its_end_and_the_leeway(offset: int) -> None:
    assert tokens(now=NOW + offset).verify(made())


def test_after_that_it_has_expired() -> None:
    assert refused(made(), tokens(now=NOW + 900 + LEEWAY_S + 0.5)) == "TOKEN_EXPIRED"


def test_a_clock_that_is_behind_by_the_leeway_is_forgiven() -> None:
    assert tokens(now=NOW - LEEWAY_S).verify(made())
    assert refused(made(), tokens(now=NOW - LEEWAY_S - 1)) == "TOKEN_INVALID"


def test_a_forged_token_is_not_told_that_it_has_expired() -> None:
    forged = sign(json.dumps(HEADER), json.dumps(CLAIMS), "another-secret-of-more-than-32-bytes")
    assert refused(forged, tokens(now=NOW + 10_000)) == "TOKEN_INVALID"


def test_keys_are_rotated_by_putting_a_new_one_in_front() -> None:
    old, fresh = json.dumps({"old": "o" * 40}), json.dumps({"new": "n" * 40, "old": "o" * 40})
    token, session = tokens(old).issue("s", 1, 2, "c", SESSION_SCOPES)
    assert tokens(fresh).verify(token) == session
    token, session = tokens(fresh).issue("s", 1, 2, "c", SESSION_SCOPES)
    assert jwt.get_unverified_header(token)["kid"] == "new"
    assert refused(token, tokens(old)) == "TOKEN_INVALID"
    assert refused(token, tokens(json.dumps({"new": "o" * 40, "old": "n" * 40}))) == "TOKEN_INVALID"


def test_servers_need_no_signing_key() -> None:
    private, public = pem(Ed25519PrivateKey.generate())
    issuer = tokens(json.dumps({"e1": {"alg": "EdDSA", "key": private}}))
    verifier = tokens(json.dumps({"e1": {"alg": "EdDSA", "key": public}}))
    token, session = issuer.issue("s", 1, 2, "c", SESSION_SCOPES)
    assert verifier.verify(token) == session == issuer.verify(token)
    with pytest.raises(ValueError, match="expected a key that can sign"):
        verifier.issue("s", 1, 2, "c", SESSION_SCOPES)
    other, _ = pem(Ed25519PrivateKey.generate())
    forged, _ = tokens(json.dumps({"e1": {"alg": "EdDSA", "key": other}})).issue("s", 1, 2, "c", SESSION_SCOPES)
    assert refused(forged, verifier) == "TOKEN_INVALID"
    head, claims, _ = token.split(".")
    for length in (1, 63, 65):
        assert refused(f"{head}.{claims}.{segment(b'x' * length)}", verifier) == "TOKEN_INVALID"


def _bad_tables() -> list[str]:
    rsa_private, rsa_public = pem(generate_private_key(65_537, 2_048))
    private, public = pem(Ed25519PrivateKey.generate())
    canary = "CANARY" * 5
    return [
        "", "null", "[]", "{}", '"CANARY"', "{CANARY", '{"k": null}', '{"k": 1}', '{"k": {}}', '{"k": []}',
        json.dumps({"k": canary}),
        json.dumps({"k": {"alg": "HS512", "key": canary * 3}}),
        json.dumps({"k": {"alg": "none", "key": canary * 3}}),
        json.dumps({"k": {"alg": ["HS256"], "key": canary * 3}}),
        json.dumps({"k": {"alg": "EdDSA", "key": canary * 3}}),
        json.dumps({"k": {"alg": "EdDSA", "key": f"-----BEGIN PRIVATE KEY-----\n{canary}\n-----END PRIVATE KEY-----"}}),
        json.dumps({"k": {"alg": "EdDSA", "key": rsa_private}}),
        json.dumps({"k": {"alg": "EdDSA", "key": rsa_public}}),
        json.dumps({"k": private}),
        json.dumps({"k": public}),
        json.dumps({"bad kid": canary * 3}),
        json.dumps({"": canary * 3}),
        json.dumps({"k" * 65: canary * 3}),
        f'{{"k": "{canary * 3}", "k": "{canary * 4}"}}',
    ]  # fmt: skip


@pytest.mark.parametrize("table", _bad_tables())
def test_a_bad_key_table_is_refused_without_showing_it(table: str) -> None:
    with pytest.raises(ValueError) as error:
        KeyTable.parse(table)
    text = f"{error.value} {error.value.__cause__}"
    assert "CANARY" not in text and "-----BEGIN" not in text
    assert "expected" in text


def test_generated_tables_work_and_differ() -> None:
    one, other = KeyTable.generate(), KeyTable.generate()
    assert one != other
    token, session = tokens(one).issue("s", 1, 2, "c", SESSION_SCOPES)
    assert tokens(one).verify(token) == session


@pytest.mark.parametrize("key", ["ck_" + "a" * 43, "a" * 32, "a.b.c", "sk-ant-api03-xyz", "..", "a..c"])
def test_an_api_key_is_no_token(key: str) -> None:
    assert refused(key) == "TOKEN_MALFORMED"


def test_no_refusal_shows_the_token() -> None:
    token = made(claims={**CLAIMS, "sub": "CANARY", "jti": "CANARY"})
    for shown in (token, token + "=", made(header={**HEADER, "kid": "CANARY"}), "CANARY"):
        with pytest.raises(CaddieError) as error:
            tokens().verify(shown)
        assert "CANARY" not in str(error.value) and shown not in str(error.value)


TOKEN = made()
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.="


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_mutation_of_a_token_verifies(data: st.DataObject) -> None:
    mutated = TOKEN
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(mutated)))
        cut = data.draw(st.integers(0, 3))
        text = data.draw(st.text(alphabet=ALPHABET, max_size=3) | st.text(max_size=2))
        mutated = mutated[:at] + text + mutated[at + cut :]
    if mutated != TOKEN:
        assert refused(mutated).startswith("TOKEN_")
        assert outcome(thorough(), mutated) == refused(mutated)


def thorough(now: float = NOW) -> Thorough:
    return Thorough(KeyTable.parse(json.dumps({"k1": SECRET})), "caddie", "caddie-socket", 900, lambda: now)


SPELLINGS: list[Callable[[Any], str | bytes]] = [
    compact,
    json.dumps,
    lambda value: json.dumps(value, indent=1),
    lambda value: json.dumps(value, ensure_ascii=False),
    lambda value: compact(value) + " ",
    lambda value: compact(value)[:-1] + ',"exp":1}',
    lambda value: '{"exp":1,' + compact(value)[1:],
    lambda value: compact(dict(reversed(value.items()))),
    lambda value: compact(value).replace("e", "\\u0065", 1),
    lambda value: compact(value).replace('"org":3', '"org":3.0'),
    lambda value: compact(value).replace('"org":3', '"org":3e0'),
    lambda value: compact(value).replace('"org":3', '"org":-0'),
    lambda value: compact(value).replace('"org":3', '"org":' + "9" * 30),
    lambda value: compact(value).replace('"org":3', '"org":NaN'),
    lambda value: compact(value).replace('"org":3', '"org":' + "[" * 300 + "]" * 300),
    lambda value: compact(value).encode() + b"\xff",
    lambda value: b"\xef\xbb\xbf" + compact(value).encode(),
    lambda value: compact(value).encode("utf-16"),
    lambda value: compact([value]),
    lambda value: "",
]
RESPELLED: list[Callable[[str], str]] = [
    lambda token: token,
    lambda token: token + "=",
    lambda token: token + "\n",
    lambda token: token + ".",
    lambda token: token.replace(".", "..", 1),
    lambda token: token.replace(".", "=.", 1),
    lambda token: token.replace(".", "\n.", 1),
    lambda token: token[:-1] + chr(ord(token[-1]) + 1),
    lambda token: token[:-1] + "é",
    lambda token: token + " " * TOKEN_LENGTH_MAX,
    lambda token: token.rpartition(".")[0] + ".",
    lambda token: token.rpartition(".")[0] + "." + token.rpartition(".")[2].upper(),
]


@pytest.mark.parametrize("respell", RESPELLED)
@pytest.mark.parametrize("spell", SPELLINGS)
def test_the_short_cut_never_says_what_the_long_way_would_not(
    spell: Callable[[Any], str | bytes], respell: Callable[[str], str]
) -> None:
    token = respell(sign(compact(HEADER), spell(CLAIMS)))
    assert outcome(acquainted(tokens()), token) == outcome(thorough(), token)


def test_a_usual_token_takes_the_short_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = tokens()
    first, second = verifier.issue("s", 1, 2, "c", SESSION_SCOPES), verifier.issue("t", 3, 4, "d", frozenset({"read"}))
    assert verifier.verify(first[0]) == first[1]
    monkeypatch.setattr(verifier, "_examined", None)
    assert verifier.verify(second[0]) == second[1]


def test_few_spellings_of_a_header_are_remembered() -> None:
    verifier = tokens()
    for blanks in range(3 * HEADERS_MAX):
        verifier.verify(sign(" " * blanks + compact(HEADER), compact(CLAIMS)))
    assert len(verifier._macs) == HEADERS_MAX


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(CLAIMS)), JSON, st.sampled_from(sorted(HEADER)), JSON)
def test_well_signed_nonsense_raises_nothing_but_refusals(name: str, value: Any, member: str, other: Any) -> None:
    for token in (made(claims={**CLAIMS, name: value}), made(header={**HEADER, member: other})):
        expected = outcome(thorough(), token)
        assert isinstance(expected, Session) or expected.startswith("TOKEN_")
        assert outcome(acquainted(tokens()), token) == expected


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60) | st.binary(max_size=60) | JSON)
def test_anything_at_all_is_refused_politely(value: object) -> None:
    assert refused(value) == "TOKEN_MALFORMED"
