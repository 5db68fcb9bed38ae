"""What a feedback says, in English and in Chinese."""

import re
from dataclasses import replace

from .escape import in_one_line

FRAME = {
    "points": ("{}: {:g} of {:g} points", "{}：{:g} 分（满分 {:g}）"),
    "not run": ("Your submission could not be run: {}.", "你的提交无法运行：{}。"),
    "nothing": ("Nothing was handed in: {} is expected (or a notebook).", "没有收到提交：应提交 {}（或 notebook）。"),
    "all right": ("All outputs are right.", "全部输出正确。"),
    "right": ("Right: {}.", "正确：{}。"),
    "nothing right": ("None of the outputs is right yet.", "还没有正确的输出。"),
    "wrong": ("Wrong: {}.", "错误：{}。"),
    "why": ("What is behind it:", "原因："),
    "input": ("A small input that shows it:", "能显示这个错误的一个小输入："),
    "training": ("A small input that shows it, in training:", "能显示这个错误的一个小输入（训练模式）："),
    "evaluation": ("A small input that shows it, in evaluation:", "能显示这个错误的一个小输入（评估模式）："),
    "between": (
        "It shows when another forward runs between forward and backward.",
        "在前向与反向之间再运行一次前向时才会显示出来。",
    ),
    "your number": ("Your {} is {}.", "你的 {} 是 {}。"),
    "changed": ("Your functions change {}.", "你的函数改动了 {}。"),
    "entry": ("{} was {} before, and is {} after them.", "{} 之前是 {}，之后是 {}。"),
    "the same": ("Here your code raises this error.", "在这里你的代码抛出上述异常。"),
    "other": (
        "This file has {}: did you mean `minires assign check {} {}`?",
        "这个文件里有 {}：你是否想运行 `minires assign check {} {}`？",
    ),
    "again": ("Your {} is another one the second time.", "你的 {} 第二次调用时不同。"),
    "examples": (
        "On the inputs of {} your functions have other outputs than are given there.",
        "在 {} 的输入上，你的函数的输出与其中给出的不同。",
    ),
    "measure": ("Measure the true number:", "测量正确的值："),
    "read": (
        "To read: tutorial {}, \"{}\": ``minires tutorials --to tutorials`` copies it, as tutorials/{}.",
        "阅读：教程 {}，“{}”：``minires tutorials --to tutorials`` 会把它复制为 tutorials/{}。",
    ),
}
FINDINGS = {
    "missing": (
        "Not there: {output}. Define each function under the name that the statement gives it.",
        "没有找到：{output}。请按题目给出的名字定义每个函数。",
    ),
    "raised": ("Your code raises {detail}.", "你的代码抛出了异常：{detail}。"),
    "raises": (
        "On {count} of {all} inputs {output} raises {detail}: all its outputs count as wrong there.",
        "在 {count} 个（共 {all} 个）输入上，{output} 抛出了异常：{detail}。它在那里的全部输出都算错。",
    ),
    "stopped": ("There is no answer: {detail}.", "没有得到答案：{detail}。"),
    "kind": ("{output} is no array of floats but {detail}.", "{output} 不是浮点数组，而是 {detail}。"),
    "exchanged": ("In the place of {output} stands {detail}.", "{output} 的位置上是 {detail}。"),
    "both": (
        "In the place of {output} stands {detail}, and in that of {detail} {output}{order}.",
        "{output} 的位置上是 {detail}，{detail} 的位置上是 {output}{order}。",
    ),
    "shape": ("{output} has the shape {mine} where {needed} is needed.", "{output} 的形状是 {mine}，应为 {needed}。"),
    "nan": ("{output} holds NaN or infinity.", "{output} 含有 NaN 或无穷大。"),
    "untwisted": (
        "{output} is that of the common definition: read again what yours has in its place.",
        "{output} 是通常定义下的结果：请再读一遍你自己的定义与它的不同之处。",
    ),
    "zeros": ("{output} is zero everywhere.", "{output} 处处为零。"),
    "dy": ("dx is dy as it came: no derivative has been applied.", "dx 就是传入的 dy：没有乘以任何导数。"),
    "copy": ("y is a copy of x.", "y 是 x 的副本。"),
    "factor": (
        "{output} is off by one factor on all inputs: it is {detail} times what it should be.",
        "{output} 在所有输入上都差同一个因子：它是应有值的 {detail} 倍。",
    ),
    "terms": ("dx is a sum of terms: {detail}.", "dx 是几项之和：{detail}。"),
    "changes": (
        "Your functions change {output}, which belongs to the caller.",
        "你的函数改动了 {output}，它属于调用者。",
    ),
    "twice": (
        "{output} is another one when backward runs again with the same cache.",
        "用同一个缓存再次运行反向时，{output} 变了。",
    ),
    "unmoved": (
        "As it was before the call: {output}. Write into the array that you got, running_mean[...] = ...: to assign to "
        "its name makes a new one, which nobody else sees.",
        "与调用前相同：{output}。请写入传入的数组，running_mean[...] = ...；"
        "给它的名字赋值只会产生一个别人看不到的新数组。",
    ),
    "unmoved inside": (
        "As it was before the call: {output}. It moves when its layer runs in training: hand train on to every layer.",
        "与调用前相同：{output}。它所在的层在训练模式下运行时才会更新它：请把 train 传给每个层。",
    ),
    "mode": (
        "Right in the other mode, and wrong in {detail} alone: {output}.",
        "在另一种模式下是对的，只在{detail}下出错：{output}。",
    ),
    "wrong": ("Wrong in a way that has no name here: {output}.", "有错误，但不属于这里已知的任何一种：{output}。"),
    "more": (
        "More is wrong with {output}, in a way that has no name here: mend first what is named, and check again.",
        "{output} 还有别的错误，不属于这里已知的任何一种：请先改正上面指出的问题，再检查一次。",
    ),
}
TOGETHER = "missing", "unmoved", "unmoved inside", "mode", "wrong", "more"  # one sentence for all outputs
MODES = {"training": ("training", "训练模式"), "evaluation": ("evaluation", "评估模式")}
TERMS = {
    "direct": ("the direct term", "直接项"),
    "mean": ("the term of the mean", "均值项"),
    "variance": ("the term of the variance", "方差项"),
    "shortcut": ("the term of the shortcut", "捷径项"),
    "branch": ("the term of the branch", "分支项"),
}
ENTERS = "{} enters with the factor {}, not 1", "{}的系数是 {}，应为 1"
AND = "; ", "；"
ORDER = ": return {} in this order", "：请按 {} 的顺序返回"
FOREIGN = r"(\S+) got a cache that is not its own: give each layer's backward the cache of its own forward"
OWN = r"\1 得到的缓存不是它自己的：请把每个层自己的前向所返回的缓存交给它的反向"


STOPPED = {  # what a box says of a submission that gives no answer
    r"(.+) takes longer than (\S+) s( of computing time)?( on the clock)?( with all calls before)?": (
        "{0} 的用时超过 {1} 秒",
        ("（计算时间）", "（实际时间）", "，连同之前的全部调用"),
    ),
    r"(.+) (?:ends|has ended) its process": ("{0} 结束了自己的进程", ()),
    r"(.+): the answer is not one of the worker": ("{0} 的回答不是来自沙箱的工作进程", ()),
    r"(.+) did not come back within (\S+) seconds \(line (\d+)\): is there a loop without an end\?": (
        "{0} 在 {1} 秒内没有返回（第 {2} 行）：是否有一个没有终点的循环？",
        (),
    ),
}


UNREADABLE = {  # why a submission cannot be taken, or not be read by Python
    r"(.+), line (\d+): (.+)": "{0} 第 {1} 行：{2}",
    r"there are (.+), expected (.+)": "有 {0}，应为 {1}",
    r"(.+) is no regular file": "{0} 不是普通文件",
    r"(.+) has (\d+) bytes, expected at most (\d+)": "{0} 有 {1} 字节，最多 {2} 字节",
    r"(.+) is no text: (.+)": "{0} 不是文本：{1}",
    r"(.+) is no notebook": "{0} 不是 notebook",
    r"the archive cannot be read: (.+)": "压缩包无法读取：{0}",
    r"a cell with (.+?): (.+)": "含有 {0} 的单元格：{1}",
}
SYNTAX = r"(?:SyntaxError|IndentationError|TabError): (.*) \(submission\.py, line (\d+)\) \(line \2\)"


def of_syntax(text, file):
    """What a box says of a submission; an error of syntax by the student's own ``file``, and its line once.

    >>> of_syntax("SyntaxError: invalid syntax (submission.py, line 3) (line 3)", "linear.py")
    'linear.py, line 3: invalid syntax'
    """
    found = re.fullmatch(SYNTAX, text)
    return f"{file}, line {found[2]}: {found[1]}" if found else text


def not_run(problem, language):
    """The sentence for the problem of a :class:`~.submissions.Submission`, or for what happened when it was run."""
    if nothing := re.fullmatch(r"there is no (\S+\.py)", problem):
        return say(FRAME, "nothing", language).format(nothing[1])
    words = stopped(problem, language)
    for pattern, chinese in UNREADABLE.items():
        if language == "zh" and not words and (found := re.fullmatch(pattern, problem)):
            words = chinese.format(*found.groups())
    return say(FRAME, "not run", language).format(words or problem)


def stopped(text, language):
    """The words for what a box says of a submission that gives no answer, "" for any other text."""
    for pattern, (chinese, more) in STOPPED.items():
        if found := re.fullmatch(pattern, text):
            what, *rest = found.groups()
            words = chinese.format(what, *rest).replace("the submission ", "提交的程序")
            words += "".join(word for word, there in zip(more, rest[1:]) if there)
            return words if language == "zh" else text
    return ""


def raises(text, language):
    """The sentence for an error, or for what stopped the submission."""
    words = stopped(text, language)
    if words.endswith(("?", "？")):  # it is a sentence
        return words
    return say(FINDINGS, "stopped" if words else "raised", language).format(detail=words or error(text, language))


def error(text, language):
    """The text of an error on one line; that of a cache which is not the layer's own in the language."""
    text = in_one_line(text)
    return re.sub(FOREIGN, OWN, text) if language == "zh" else text


def say(table, key, language):
    """The words for ``key`` in "en" or "zh"."""
    return table[key][language == "zh"]


def finding(found, language, orders=()):
    """The sentence for a :class:`~minires.classroom.Finding`. orders: those in which outputs are returned"""
    detail, words = found.detail, {}
    if found.kind == "raised":
        return raises(detail, language)
    if found.kind == "raises":
        detail, _, counts = detail.rpartition(" on ")
        detail, words = error(detail, language), dict(zip(("count", "all"), counts.split(" of ")))
    if found.kind == "both":
        order = next((each for each in orders if {found.output, detail} <= {*each}), ())
        words = {"order": order and ORDER[language == "zh"].format(", ".join(order)) or ""}
    if found.kind == "terms":
        pairs = (part.rsplit(" ", 1) for part in detail.split(", "))
        named = ((say(TERMS, name, language) if name in TERMS else name, factor) for name, factor in pairs)
        detail = AND[language == "zh"].join(ENTERS[language == "zh"].format(*pair) for pair in named)
    if found.kind == "mode":
        detail = say(MODES, detail, language)
    mine, _, needed = detail.partition(" for ")
    words |= {"output": found.output, "detail": detail, "mine": mine, "needed": needed}
    return say(FINDINGS, found.kind, language).format(**words)


def instead_of(failing, language):
    """What there is in the place of an array, in a :class:`~minires.classroom.smallest.Failing` or an Example."""
    mine, _, needed = failing.instead.partition(" for ")
    words = {"output": failing.output, "detail": failing.instead, "mine": mine, "needed": needed}
    return say(FINDINGS, "shape" if needed else "kind", language).format(**words)


def findings(found, language, names=(), orders=()):
    """The sentences for several, fewer where they differ in the output alone; names: of misconceptions said before."""
    groups = {}
    for each in _paired(found):
        each = replace(each, kind="more") if each.kind == "wrong" and names else each
        groups.setdefault((each.kind, each.detail) if each.kind in TOGETHER else each, []).append(each)
    return [
        finding(replace(group[0], output=", ".join(each.output for each in group)), language, orders)
        for group in groups.values()
    ]


def _paired(found):
    """The findings, of two outputs that stand in the place of each other one."""
    places = {each.output: each.detail for each in found if each.kind == "exchanged"}
    for each in found:
        if each.kind != "exchanged" or places.get(each.detail) != each.output:
            yield each
        elif each.output < each.detail:
            yield replace(each, kind="both")
