"""A page of one file, and the policy that lets it run its own script alone."""

import base64
import hashlib
import re

from minires.files.html import self_contained


def test_the_policy_allows_this_script_and_this_style():
    text = self_contained("a < b", "b { color: red }", "<p>body</p>", "let a = 1 < 2;")
    (policy,) = re.findall(r'content="(default-src.*?)"', text, re.DOTALL)
    assert policy.startswith("default-src 'none';") and "unsafe" not in policy
    for tag, content in (("script", "let a = 1 < 2;"), ("style", "b { color: red }")):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "<title>a &lt; b</title>" in text and "<p>body</p>" in text


def test_a_page_may_have_no_script_and_another_language():
    text = self_contained("页", "", "<p>正文</p>", language="zh")
    assert '<html lang="zh">' in text
    assert '<script type="module"></script>' in text
