"""The assignments as pages, in the language that each has a statement in."""

from minires.classroom import assignments

WORDS = {
    "en": {
        "index": """# Assignments

Write the functions, and ask as often as you like whether they are right:

```text
minires assign build {first} --out .
minires assign check {first} {first}/{first}.py
```

The check says what is right, which idea is wrong, and shows a small input on which it goes wrong.

| | assignment | functions | points | hours |
|---|---|---|---|---|
{rows}

```{{toctree}}
:hidden:

{contents}
```
""",
        "facts": "**{points} points**, about {hours} hours. Functions: {functions}.",
        "check": """## Check yours

```text
minires assign build {name} --out .
minires assign check {name} {name}/{name}.py
```
""",
    },
    "zh": {
        "index": """# 作业

自己动手写这些函数；写得对不对，想问多少次都可以：

```text
minires assign build {first} --out . --lang zh
minires assign check {first} {first}/{first}.py --lang zh
```

检查会告诉你哪些是对的、哪个想法有误，并给出能显示错误的一个小输入。

| | 作业 | 函数 | 分数 | 小时 |
|---|---|---|---|---|
{rows}

```{{toctree}}
:hidden:

{contents}
```
""",
        "facts": "**{points} 分**，大约 {hours} 小时。函数：{functions}。",
        "check": """## 检查自己的代码

```text
minires assign build {name} --out . --lang zh
minires assign check {name} {name}/{name}.py --lang zh
```
""",
    },
}


def pages(language):
    """{name of the file: text}"""
    words, found, rows = WORDS[language], {}, []
    each = assignments()
    for name, one in each.items():
        functions = ", ".join(f"`{function}`" for function in one.functions())
        heading, _, statement = one.statement(language).strip().partition("\n")
        facts = words["facts"].format(points=one.points, hours=one.hours, functions=functions)
        text = f"{heading}\n\n{facts}\n{statement}\n\n{words['check'].format(name=name)}"
        found[f"assignments/{one.folder.name}.md"] = text
        link = f"[{heading.removeprefix('# ')}]({one.folder.name}.md)"
        rows.append(f"| {one.number} | {link} | {functions} | {one.points} | {one.hours} |")
    contents = "\n".join(one.folder.name for one in each.values())
    found["assignments/index.md"] = words["index"].format(
        rows="\n".join(rows), contents=contents, first=next(iter(each))
    )
    return found
