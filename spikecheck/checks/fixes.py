"""The code of a fix, written for the objects of this run: what is set, where, and to which number.

Names can come from a file, and so from anybody: only plain names and paths get into code. A fix that is no valid Python
is not shown.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from keyword import iskeyword
from math import sqrt

from spikecheck.finding import Fix
from spikecheck.neuron import FIX_ATTRIBUTES, Holder, NeuronSpec
from spikecheck.readings import RunReading
from spikecheck.site import PATH, Site, SiteKind, user_path

#: Sites that are named after a parameter of the layer or the module that they belong to.
OWNED_KINDS = (
    SiteKind.PARAMETER
    | SiteKind.UPDATE
    | SiteKind.GRADIENT
    | SiteKind.STORED
    | SiteKind.STORED_NEURON
    | SiteKind.MOMENT
)
#: Sites that are named after a layer or a module.
MODULE_KINDS = (
    SiteKind.CURRENT | SiteKind.SPIKES | SiteKind.POTENTIAL | SiteKind.STATE | SiteKind.MEMORY | SiteKind.MODULE
    | SiteKind.BATCH_NORM_OR_DROPOUT | SiteKind.GRADIENT_TO_SPIKES
)  # fmt: skip
LAYER = re.compile(r"\blayer\b(?=[.(])")
IMPORTS_LAYER = re.compile(r"^from .* import .*\blayer\b", flags=re.MULTILINE)
OWN_THRESHOLD = re.compile(r"layer\.threshold = ([\d.]+)")
SHARED = "# one module serves several layers: this changes all of them"
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def module_path(site: Site) -> str:
    """Return the expression for a site's module: the script's own, or one that its name suggests; empty without one.

    A layer that is a call site, `train.py:57 spike_fn`, has none.
    """
    if site.kind not in OWNED_KINDS | MODULE_KINDS or (site.kind in OWNED_KINDS and user_path(site) == site.name):
        return ""
    owner = site.name.rpartition(".")[0] if site.kind in OWNED_KINDS else site.name.partition("#")[0]
    path = user_path(site) or ("model" + path_of(owner) if " " not in owner else "")
    return path if PATH.fullmatch(path) else ""


def parameter_path(site: Site) -> str:
    """Return the expression for a site's parameter; empty without one.

    A tensor that belongs to no module is reached by its own name, which is also the site's.
    """
    if user_path(site) == site.name:
        return site.name
    module, leaf = module_path(site), site.name.rpartition(".")[2]
    return f"{module}.{leaf}" if module and leaf.isidentifier() else ""


def path_of(owner: str) -> str:
    """Return what follows `model` to reach a module: attributes and indexes, or get_submodule for any other name."""
    parts = [part for part in owner.split(".") if part]
    if all((part.isidentifier() and not iskeyword(part)) or (part.isascii() and part.isdigit()) for part in parts):
        return "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in parts)
    return f'.get_submodule("{owner}")'


def for_site(code: str, site: Site, library: str) -> tuple[Fix, ...]:
    """Return the code of a check's text with the module of the site in place of the word `layer`; none without one."""
    path = module_path(site)
    if site.kind in OWNED_KINDS and (tensor := parameter_path(site)) and not path:
        code = code.replace("layer.weight", tensor)
    if LAYER.search(code) and not IMPORTS_LAYER.search(code):
        if not path and site.kind in OWNED_KINDS | MODULE_KINDS:
            return ()
        leaf = site.name.rpartition(".")[2]
        if site.kind in OWNED_KINDS and leaf.isidentifier():
            named = "threshold|beta" if site.kind is SiteKind.STORED_NEURON else "weight"
            code = re.sub(rf"\blayer\.({named})\b", f"layer.{leaf}", code)
        code = LAYER.sub(lambda _: path or "layer", as_the_layer_is(code, site))
    return (Fix(code, library),) if has_statement(code) else ()


def as_the_layer_is(code: str, site: Site) -> str:
    """Return code without the lines that name an attribute which the layer does not have.

    The threshold of a hand-written layer is set under its own name.
    """
    absent = absent_attributes(site)
    lines: list[str] = []
    for line in code.splitlines():
        number = OWN_THRESHOLD.fullmatch(line)
        if number and "threshold" in absent and (own := set_threshold(site, float(number[1]))):
            lines.append(own)
        elif not attributes_in(line) & absent:
            lines.append(line)
        elif not line.startswith("#"):  # the comment above it is of no use alone
            while lines and lines[-1].startswith("#"):
                lines.pop()
    return "\n".join(lines)


def absent_attributes(site: Site) -> set[str]:
    """Return the attributes that fixes name and the layer does not have, as far as that is known."""
    known = None if site.neuron is None else site.neuron.attributes
    return set() if known is None else set(FIX_ATTRIBUTES) - set(known)


def attributes_in(line: str) -> set[str]:
    """Return the attributes of the layer that a line of code or a comment names."""
    names = {name for name in FIX_ATTRIBUTES if re.search(rf"\blayer\.{re.escape(name)}\b", line)}
    if line.startswith("#"):
        return names | {name for name in FIX_ATTRIBUTES if "_" in name and re.search(rf"\b{re.escape(name)}\b", line)}
    tuples = {holder for holder in ("p",) if f"layer.{holder}._replace(" in line}
    return names | {f"{holder}.{key}" for holder in tuples for key in re.findall(r"(\w+)=", line)}


def has_statement(code: str) -> bool:
    """Return whether code is more than comments and imports."""
    lines = [line for line in code.splitlines() if line and not line.startswith(("#", "import ", "from "))]
    return bool(lines)


def for_run(fixes: Iterable[Fix], site: Site, run: RunReading) -> tuple[Fix, ...]:
    """Return the fixes with the script's name for the model; without those that are no Python.

    What a run showed and is no module (a tap, a function that is called in `forward`) has no attribute to be set.
    """
    variable, path = run.variable if PATH.fullmatch(run.variable) else "", module_path(site)
    if variable and site.kind in MODULE_KINDS and path and not user_path(site):
        fixes = (fix for fix in fixes if path not in fix.code)
    if site.name.endswith(" use)") and user_path(site):
        fixes = (replace(fix, code=shared(fix.code)) if path in fix.code else fix for fix in fixes)
    return tuple(written for fix in fixes if (written := personal(fix, variable)) is not None)


def shared(code: str) -> str:
    """Return a fix of a module that serves several layers: each attribute is set once, and the fix says so."""
    written: list[str] = [SHARED]
    comments: list[str] = []
    targets: set[str] = set()
    for line in code.splitlines():
        target = line.partition(" = ")[0]
        if line.startswith("#"):
            comments.append(line)
            continue
        if " = " not in line or target not in targets:
            written += [*comments, line]
        targets.add(target)
        comments = []
    return "\n".join([*written, *comments])


def personal(fix: Fix, variable: str) -> Fix | None:
    """Return a fix for a model of this name; None where its code is no Python."""
    lines = fix.code.splitlines()
    if variable and variable != "model":
        named = re.compile(r"(?<![\w.])model\b(?=[\s.,)\[(]|$)")
        in_a_comment = re.compile(r"(?<=\()model\b(?=[.,)])|(?<![\w.])model(?=\.\w)")  # in code, not in a sentence
        lines = [
            (in_a_comment if line.lstrip().startswith("#") else named).sub(lambda _: variable, line) for line in lines
        ]
    code = "\n".join(lines)
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError):
        return None
    return Fix(code, fix.library, variable or "model", bool(variable) and changes_only(tree, variable))


def changes_only(tree: ast.Module, model: str) -> bool:
    """Return whether code does nothing but change what belongs to the model, and so needs no other name."""
    known = {model.partition(".")[0], "torch", "True", "False"}
    known |= {alias.asname or alias.name.partition(".")[0] for node in ast.walk(tree) for alias in imports(node)}
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    changes = [statement for statement in tree.body if not isinstance(statement, ast.Import | ast.ImportFrom)]
    return names <= known and bool(changes) and all(changes_model(statement, model) for statement in changes)


def imports(node: ast.AST) -> list[ast.alias]:
    """Return what an import statement names."""
    return node.names if isinstance(node, ast.Import | ast.ImportFrom) else []


def changes_model(statement: ast.stmt, model: str) -> bool:
    """Return whether a statement sets an attribute of the model's parts, or changes a tensor of theirs in place."""
    if isinstance(statement, ast.With):
        return all(changes_model(inner, model) for inner in statement.body)
    if isinstance(statement, ast.Assign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return all(belongs(target, model) for target in targets)
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
        return False
    function = statement.value.func
    in_place = isinstance(function, ast.Attribute) and function.attr.endswith("_")
    return in_place and (belongs(function, model) or any(belongs(one, model) for one in statement.value.args[:1]))


def belongs(node: ast.expr, model: str) -> bool:
    """Return whether an expression begins with the model."""
    return re.match(rf"{re.escape(model)}[.\[]", ast.unparse(node)) is not None


# -- the changes that several checks propose


def plain_number(value: float, digits: int = 2) -> str:
    """Return a number as code, with two significant digits by default."""
    return repr(float(f"{value:.{digits}g}"))


def set_threshold(site: Site, value: float, digits: int = 2) -> str:
    """Return code that sets the threshold of a layer; empty where that is not known to work."""
    neuron, path = site.neuron, module_path(site)
    if neuron is None or not path or not DOTTED.fullmatch(neuron.threshold_name):
        return ""
    number_as_code = plain_number(value, digits)
    if neuron.threshold_holder is Holder.TENSOR:
        return f"{path}.{neuron.threshold_name}.data.fill_({number_as_code})"
    if neuron.threshold_holder is Holder.SHARED_TENSOR:
        tensor = f"{path}.{neuron.threshold_name}"
        return f"{tensor}.data = torch.full_like({tensor}, {number_as_code})"
    if neuron.threshold_holder is Holder.ATTRIBUTE:
        return f"{path}.{neuron.threshold_name} = {number_as_code}"
    first, *rest, last = neuron.threshold_name.split(".")
    inner = f"{last}=torch.tensor({number_as_code})"
    for number in range(len(rest), 0, -1):
        inner = f"{rest[number - 1]}={path}.{'.'.join([first, *rest[:number]])}._replace({inner})"
    return f"{path}.{first} = {path}.{first}._replace({inner})"


def change_stored(site: Site, comment: str, change: str) -> tuple[Fix, ...]:
    """Return a fix that changes the tensor of a checkpoint's key in place; none where the key is not plain Python."""
    path, leaf = module_path(site), site.name.rpartition(".")[2]
    return (Fix(f"# {comment}\n{path}.{leaf}.data.{change}"),) if path and leaf.isidentifier() else ()


def take_input_as_it_is(site: Site) -> str:
    """Return code after which a layer no longer scales its input down; empty where it does not."""
    switch, path = "" if site.neuron is None else site.neuron.gain_switch, module_path(site)
    return f"{path}.{switch} = False" if path and switch.isidentifier() else ""


def initialized(weight: str) -> str:
    """Return code that gives a weight the values that `nn.Linear` begins with."""
    return f"torch.nn.init.kaiming_uniform_({weight}, a=5**0.5)"


def joined(groups: Mapping[str, Iterable[str]]) -> tuple[Fix, ...]:
    """Return one fix of several lines, each group under its comment; none where there is no line."""
    lines = list(commented(groups))
    return (Fix("\n".join(lines)),) if lines else ()


def commented(groups: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Yield the lines of each group that has any, under its comment."""
    for comment, lines in groups.items():
        code = [line for line in lines if line]
        if code:
            yield f"# {comment}"
            yield from code


def expected_potential(neuron: NeuronSpec, scale: float, time_steps: int, rate: float, *, gain: float) -> float:
    """Return the RMS of the potential of a layer that gets independent spikes through weights of this scale.

    Derived: a step adds scale * sqrt(rate), and the steps add up as independent ones do, sum of decay ** (2 * n).
    """
    decay = 0.0 if neuron.decay is None else min(1.0, abs(neuron.decay))
    steps = float(time_steps) if decay == 1 else (1 - decay ** (2 * time_steps)) / (1 - decay**2)
    return gain * scale * sqrt(rate * steps)
