"""The fix of an operation that makes NaN or infinity, where the graph shows which one it is."""

from __future__ import annotations

from spikecheck.finding import Fix
from spikecheck.site import Operation, Origin

BRANCH = """\
# torch.where passes a gradient to both branches: compute the one that is not chosen from harmless values
safe = torch.where(mask, x, torch.ones_like(x))"""
FIXES = {
    Operation.ZERO_BY_ZERO: """\
# where all counts are 0, this avoids 0 / 0
counts = counts / counts.sum(-1, keepdim=True).clamp(min=1)""",
    Operation.DIVISION_BY_ZERO: """\
# keeps the divisor away from 0
ratio = numerator / denominator.clamp(min=1e-8)""",
    Operation.LOG_OF_ZERO: """\
# instead of a softmax and a logarithm written by hand
loss = torch.nn.functional.cross_entropy(logits, target)
# or, for the logarithm of anything else
logarithm = torch.log(x.clamp(min=1e-8))""",
    Operation.LOG_OF_NEGATIVE: """\
# the argument has to be above 0
logarithm = torch.log(x.clamp(min=1e-8))""",
    Operation.OVERFLOW: """\
# instead of exp(x) / exp(x).sum(): it subtracts the largest logit first
probabilities = torch.softmax(logits, -1)
# instead of log(exp(x).sum())
total = torch.logsumexp(logits, -1)""",
    Operation.ROOT_AT_ZERO: """\
# its derivative at 0 is finite
root = torch.sqrt(x + 1e-8)""",
    Operation.POWER_AT_ZERO: """\
# its derivative at 0 is finite
power = (x + 1e-8) ** exponent""",
}


def fixes_of(origins: tuple[Origin, ...]) -> tuple[Fix, ...]:
    """Return the fix of the operation nearest to the loss."""
    return (Fix(BRANCH if origins[0].in_branch else FIXES[origins[0].operation]),)
