"""What was asked of a text, as tables for a terminal: bits on screen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from explorer.cli.tables import table

if TYPE_CHECKING:
    from explorer.core.types import Trace
    from explorer.services.could import Verdicts
    from explorer.services.probe import Probe


def profile_table(profile: Mapping[str, Any]) -> str:
    """Histograms and the zero-shot figure of `services.text_profile`."""
    from explorer.core.units import to_bits

    parts = []
    for name, title in (
        ("ranks", "tokens among the likeliest"),
        ("shares", "probability as a share of the likeliest token's"),
        ("entropies", "entropy (bits)"),
    ):
        histogram = profile[name]
        edges, counts = histogram["edges"], histogram["counts"]
        total = max(1, sum(counts))
        rows = []
        for i, count in enumerate(counts):
            low, high = edges[i], edges[i + 1]
            if name == "ranks":
                label = f"top {int(high)}" if high is not None else f"past {int(low)}"
            elif name == "entropies":
                label = f"{to_bits(low):.0f} to {to_bits(high):.0f}"
            else:
                label = f"{low:.1f} to {high:.1f}"
            rows.append([label, str(count), f"{count / total:.1%}"])
        parts.append(table([title, "tokens", "share"], rows))
    s = profile["surprise"]
    z = "-" if s["z"] is None else f"{s['z']:.2f}"
    parts.append(
        f"log-perplexity {to_bits(s['log_perplexity']):.3f} bits, mean entropy "
        f"{to_bits(s['mean_entropy']):.3f} bits: T = {to_bits(s['statistic']):+.3f} bits, z = {z}"
    )
    return "\n\n".join(parts)


def could_table(verdicts: Verdicts, trace: Trace) -> str:
    """A row a chain: the first token it rules out, and how likely the text is under it.

    Then a row a token: what the usual truncations, alone, and those of the chains where they
    stand, must allow to admit it.
    """
    from explorer.core.units import to_bits

    rows = []
    for could in verdicts.chains:
        if could.missing:
            rows.append([could.decoder, "not asked", could.missing, "-"])
        elif could.first_impossible is None:
            about = "about " if could.is_estimate else ""
            rows.append([could.decoder, "yes", "-", f"{about}{to_bits(could.total):.2f}"])
        else:
            place = could.first_impossible
            shown = repr(trace.pieces.get(trace.token_ids[place], ""))
            rows.append([could.decoder, "no", f"token {place} {shown}", "-inf"])
    n = verdicts.hardest
    needs = (
        f"alone, these admit every token: top_k k={n.top_k}, nucleus p>{n.nucleus:.6g}, "
        f"min_p p<={n.min_p:.3g}, epsilon<={n.epsilon:.3g}, eta epsilon<={n.eta:.3g}, "
        f"top_a a<={min(1.0, n.top_a):.3g}, locally_typical mass>{n.locally_typical:.6g}, "
        f"top_n_sigma n>={n.top_n_sigma:.3g}"
    )
    header = ["decoder", "could have", "first impossible", "log2 q of the text"]
    return f"{table(header, rows)}\n\n{needs}\n\n{_needs_table(verdicts, trace)}"


def _needs_table(verdicts: Verdicts, trace: Trace) -> str:
    from explorer.services.admitting import AT_MOST, PARAMS

    def rule(name: str) -> str:
        sign = "<=" if name in AT_MOST else ">=" if name in ("top_k", "top_n_sigma") else ">"
        return f"{name} {PARAMS[name]}{sign}"

    alone = ("top_k", "nucleus", "min_p", "locally_typical")
    stages = [
        (f"{number}. {rule(stage.name)}", stage.values)
        for number, could in enumerate(verdicts.chains, start=1)
        for stage in could.stages
        if stage.stage > 0  # the first reads the model's law, as alone
    ]
    rows = []
    for i, token_id in enumerate(trace.token_ids):
        row = [str(i), repr(trace.pieces.get(token_id, ""))]
        row += [f"{getattr(verdicts.needed[i], name):.4g}" for name in alone]
        cells = (values[i] for _, values in stages)
        rows.append([*row, *("cut before" if x is None else f"{x:.4g}" for x in cells)])
    header = ["place", "token", *map(rule, alone), *(title for title, _ in stages)]
    return table(header, rows)


def probe_table(probes: Sequence[Probe], trace: Trace) -> str:
    """A row a place: the token that stands there, and the probability of those asked for."""
    header = ["place", "token"]
    for probe in probes:
        more = "" if probe.is_whole else " (its first token)"
        header += [f"p({probe.text!r}){more}", "rank"]
    rows = []
    for i, token_id in enumerate(trace.token_ids):
        row = [str(i), repr(trace.pieces.get(token_id, ""))]
        for probe in probes:
            row += [f"{math.exp(probe.log_p[i]):.3g}", str(probe.ranks[i])]
        rows.append(row)
    return table(header, rows)
