import pytest
from hypothesis import given, strategies as st

from trialogue.serving.endpoints.redaction import hide_secrets, redact, shorten


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("key sk-abcdefghijklmnop0123", "abcdefghijklmnop"),
        ("Authorization: Bearer abcdefgh12345678", "abcdefgh12345678"),
        ("OPENAI_API_KEY=s3cret-value here", "s3cret-value"),
        ('{"password": "p4ss word"}', "p4ss word"),
        ("postgres://me:hunter22@db.example/x", "hunter22"),
        ("token hf_abcdefghijklmnopqrstuvwxyz", "hf_abcdefg"),
    ],
)
def test_keys_and_passwords_go(text, gone):
    assert gone not in hide_secrets(text)
    assert gone not in redact(text)


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("File /home/" + "alice/run/train.py", "alice"),
        ("in /Users/bob/x", "bob"),
        ("host gpu-17.cluster.local refused", "gpu-17"),
        ("connect to 10.1.2.3:80", "10.1.2.3"),
        ("mail carol@example.org", "carol"),
    ],
)
def test_homes_hosts_and_addresses_go_where_text_leaves_the_machine(text, gone):
    assert gone not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 2.50 GiB (max_num_seqs=512, batch 32)",
        "max_num_batched_tokens=2048 is smaller than max_model_len=4096",
        "max_tokens: 512, token: 7, author=somebody",
        "learning_rate 1e-3 diverged at step 1200 of 5000; see loss.csv",
    ],
)
def test_what_helps_to_understand_a_failure_stays(text):
    assert redact(text) == text


def test_given_secrets_go_verbatim():
    assert "swordfish" not in hide_secrets("it said swordfish", ["swordfish"])


@given(st.text(), st.integers(2, 50))
def test_short_texts_are_one_line_within_the_limit(text, limit):
    line = shorten(text, limit)
    assert len(line) <= limit
    assert "\n" not in line
