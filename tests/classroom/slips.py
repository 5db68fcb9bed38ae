"""Slips of the pen: a solution with one thing changed, dropped or exchanged, in every place where that can be done."""

import ast
import copy

OTHER = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.MatMult: ast.Mult,
    ast.Pow: ast.Mult,
}


def slips(source):
    """Yield (what, text): ``source`` with one slip."""
    tree = ast.parse(source)
    for place, node in enumerate(ast.walk(tree)):
        where = f"line {getattr(node, 'lineno', 0)}, column {getattr(node, 'col_offset', 0)}"
        for what, slip in _slips(node):
            twin = copy.deepcopy(tree)
            slip(list(ast.walk(twin))[place])
            yield f"{what}, {where}", ast.unparse(ast.fix_missing_locations(twin))


def _slips(node):
    """Yield (what, function that makes it in a copy of the node)."""
    if isinstance(node, ast.FunctionDef):
        for number, _ in enumerate(node.body):
            yield "a line dropped", lambda twin, at=number: twin.body.__setitem__(at, ast.Pass())
        yield "no function", lambda twin: setattr(twin, "name", f"{twin.name}s")
        yield "an argument too few", lambda twin: twin.args.args.pop()
        yield "arguments exchanged", lambda twin: twin.args.args.reverse()
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield "another number", lambda twin: setattr(twin, "value", twin.value + 1)
    if isinstance(node, ast.BinOp) and type(node.op) in OTHER:
        yield "another sign", lambda twin: setattr(twin, "op", OTHER[type(twin.op)]())
        yield "the left alone", lambda twin: vars(twin).update(right=ast.Constant(1.0), op=ast.Mult())
        yield "the other order", lambda twin: vars(twin).update(left=twin.right, right=twin.left)
    if isinstance(node, ast.Tuple) and len(node.elts) > 1 and isinstance(node.ctx, ast.Load):
        yield "exchanged", lambda twin: twin.elts.reverse()
        yield "one too few", lambda twin: twin.elts.pop()
    if isinstance(node, ast.Call) and node.args:
        yield "not given", lambda twin: twin.args.pop()
    if isinstance(node, ast.Call) and node.keywords:
        yield "not named", lambda twin: twin.keywords.pop()
    if isinstance(node, ast.Return) and node.value is not None:
        yield "an empty list returned", lambda twin: setattr(twin, "value", ast.List([], ast.Load()))
