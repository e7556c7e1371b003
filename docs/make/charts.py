"""Figures of what was measured with several seeds."""
from kit import (BASELINE, HELD_OUT, INK, PAPER, SOFT, WIDTH, element, figure,
                 line, mean, scale, span, text)


def staircase(losses, last, counted, beside):
    """Losses {rung: [seeds]}: a step for each rung down to last, and what
    stands beside it. Those that are counted have a colour of their own."""
    row, top = 40, 30
    low = min(map(min, losses.values())) // 0.1 / 10
    high = max(map(max, losses.values())) // 0.1 / 10 + 0.1
    x = scale(low, high, 8, WIDTH - 8)
    height = row * len(losses) + 26  # a gap before those beside
    n_ticks = round((high - low) * 5)
    parts, told = [text(0, 8, "held-out loss (nats a token)", "start",
                        fill=SOFT)], []
    for i in range(n_ticks + 1):
        tick = low + 0.2 * i
        parts += [line((x(tick), top), (x(tick), top + height),
                       stroke_width=0.5),
                  text(x(tick), top + height + 14, f"{tick:.1f}")]
    goal = x(mean(losses[last]))
    parts.append(line((goal, top), (goal, top + height), color=INK,
                      stroke_width=1, stroke_dasharray="2 4"))
    steps = []
    for i, (rung, found) in enumerate(losses.items()):
        y = top + 30 + row * i + (26 if rung in beside else 0)
        at = x(mean(found))
        color = BASELINE if rung in counted else HELD_OUT
        name = f"{rung} {mean(found):.2f}"
        right = at < WIDTH * 0.45
        parts.append(text(at if right else WIDTH - 8, y - 16, name,
                          "start" if right else "end", stroke=PAPER,
                          stroke_width=5, paint_order="stroke"))
        parts += [element("circle", cx=x(loss), cy=y, r=3, fill=color,
                          fill_opacity="0.6") for loss in found]
        parts.append(line((at, y - 7), (at, y + 7), color=color,
                          stroke_width=3))
        if rung not in beside:
            steps += [(steps[-1][0], y), (at, y)] if steps else [(at, y)]
        told.append(f"{rung} {mean(found):.2f} ({span(found)})")
    parts.insert(1, line(*steps, color=SOFT, stroke_width=1.5))
    return figure("ladder", "From counting to a GPT: held-out loss by rung",
                  "A dot for each seed, a bar for their mean; steps lead from "
                  "rung to rung down to the file, and below stand others "
                  f"beside it. {'; '.join(told)}.", top + height + 28, parts)
