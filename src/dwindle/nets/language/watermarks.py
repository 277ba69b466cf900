"""Watermarks: marks that are woven into text while it is written, and the statistic that finds them again.

Both schemes give the logits that transformers' own processors give on the processor, to the bit, and their texts are
found by its detectors. They are written anew for what a decoding loop of dwindle asks of them:

- The mark of the next token depends on the tokens that are shown before it and on nothing else. transformers' SynthID
  keeps the last tokens of every place in the batch: it starts blind to the prompt, and beams that change places keep
  another beam's. Here nothing is kept, so there is nothing to reset, beams may move, and work may resume at any token.
- Keys and tables come from generators of their own on the processor, so that any device marks the same tokens and
  the global random state is not touched.
- SynthID needs memory for one tournament at a time, not for all thirty.

The keys are public: they tell marked text from other text in an experiment and keep no secret. Where a mark goes with
other settings, it is woven in last, after temperature, top-k and top-p, as in transformers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from dwindle.data.rows import Array, FloatArray, IntArray
from dwindle.samplers import Sampler
from dwindle.seeds import Seed

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    Mark = Callable[[Tensor, Tensor], Tensor]

__all__ = ["BIAS", "FEWEST", "GREEN", "KEYS", "Scheme", "marked_rows", "processor", "scores"]

Scheme = Literal["kgw", "synthid"]

GREEN = 0.25
"""gamma: share of the alphabet that a token favours. Source: Kirchenbauer et al. 2023, table 2; transformers."""

BIAS = 4.0
"""delta: what is added to the logit of a favoured token, nats.

Kirchenbauer et al. 2023 and transformers have 2, for texts of 200 tokens. Blocks of 64 need a stronger mark: drawn from
a model with 2 nats a token they score 5.7 on average with 2 and 10.7 with 4.
"""

FEWEST = 4
"""Symbols of the smallest alphabet of which a quarter is a token."""

_FIFTEEN = (654, 400, 836, 123, 340, 443, 597, 160, 57, 29, 590, 639, 13, 715, 468)
KEYS = (*_FIFTEEN, 990, 966, 226, 324, 585, 118, 504, 421, 521, 129, 669, 732, 225, 90, 960)
"""One key a tournament. Source: the reference configuration of Dathathri et al. 2024, with the paper's 30 layers."""

_PRIME = 15_485_863  # the hash key of Kirchenbauer et al. 2023: the millionth prime
_CONTEXT = 4  # tokens that decide SynthID's tournaments
_MULTIPLIER = 6_364_136_223_846_793_005  # of the linear congruential hash
_COINS = 1 << 16  # a power of two, so that the low bits of the hash are all that a lookup needs
_AT_ONCE = 1024  # tokens whose favoured ones are held together


def processor(sampler: Sampler, symbols: int, place: torch.device, *, marked: Array | None = None) -> Mark | None:
    """Return what weaves the sampler's mark into logits, or None where the sampler has none.

    It takes the tokens so far, (n, t) of int64, prompt and begin token among them, and the logits or log-probabilities
    of the next one, (n, K), and returns other ones in float32; a text too short to decide a mark gets none. Where the
    n rows are the beams of fewer texts, the beams of a text stand together.

    Args:
        sampler: its `watermark` and `watermark_share` say which mark goes into how many rows.
        symbols: size of the alphabet; logits beyond it are left alone by `kgw`.
        place: where the logits are.
        marked: (m,) which texts of the batch carry the mark, as `marked_rows` draws them; None: all.

    Raises:
        ValueError: if a quarter of the alphabet is no token, or a share of the rows is to be marked and `marked` does
            not say which.

    Source: Kirchenbauer et al. 2023, algorithm 2 (kgw); Dathathri et al. 2024, methods, two-candidate tournaments in
        their vectorised form (synthid).
    """
    if sampler.watermark == "none":
        return None
    if marked is None and sampler.watermark_share != 1.0:
        raise ValueError(f"{sampler.watermark_share} of the rows are to be marked, and nothing says which")
    weave = _favouring(symbols, place) if sampler.watermark == "kgw" else _tournament(place)
    return weave if marked is None else _some(weave, marked, place)


def marked_rows(sampler: Sampler, count: int, seed: Seed) -> Array:
    """Draw which rows of a batch carry the mark, (count,): each by itself, with probability `watermark_share`."""
    return seed.at("marked").numpy().random(count) < sampler.watermark_share


def scores(tokens: IntArray, scheme: Scheme, symbols: int) -> FloatArray:
    """Return how strongly each row carries the mark, as a standard normal score of unmarked text, (n,).

    `kgw` counts the favoured tokens among those with a predecessor in the row, L - 1 of them; `synthid` the coins won
    by those with four, L - 4. What repeats within a row counts once, a pair of tokens there and a context here: it
    would bring the same verdict each time, and text that repeats itself would look marked, or the opposite, by chance.
    Pairs that many rows share make the scores of a text err together: on WikiText-2 the mean of `kgw` lies between -0.3
    and 0.2, by the alphabet, its deviation between 0.95 and 0.99. The score is nan where a row is too short for one.

    Args:
        tokens: (n, L) tokens 0 .. symbols - 1, without prompt and begin token.
        scheme: which mark to look for.
        symbols: size of the alphabet, as it was when the text was marked.

    Raises:
        ValueError: if a token is outside the alphabet, or a quarter of the alphabet is no token.

    Source: Kirchenbauer et al. 2023, equation 2; Dathathri et al. 2024, methods, mean score, standardised by mean and
        variance of the coins as the hash deals them.
    """
    _refuse_small(symbols)
    if tokens.size and not 0 <= tokens.min() <= tokens.max() < symbols:
        raise ValueError(f"tokens {tokens.min()} to {tokens.max()}; the alphabet is 0 to {symbols - 1}")
    return _green_scores(tokens, symbols) if scheme == "kgw" else _coin_scores(tokens)


def _refuse_small(symbols: int) -> None:
    if symbols < FEWEST:
        raise ValueError(f"an alphabet of {symbols} symbols: at least {FEWEST} are needed to favour a quarter of it")


def _some(weave: Mark, marked: Array, place: torch.device) -> Mark:
    """Weave a mark into some texts only."""
    import torch

    chosen = torch.from_numpy(np.asarray(marked, dtype=bool)).to(place)

    def partly(ids: Tensor, logits: Tensor) -> Tensor:
        rows = chosen.repeat_interleave(len(logits) // len(chosen))
        return torch.where(rows[:, None], weave(ids, logits), logits.float())

    return partly


def _favouring(symbols: int, place: torch.device) -> Mark:
    """Return what raises the logits of the tokens that the last token favours."""
    import torch

    _refuse_small(symbols)

    def favour(ids: Tensor, logits: Tensor) -> Tensor:
        if not ids.shape[1]:
            return logits.float()
        last, row = np.unique(ids[:, -1].cpu().numpy(), return_inverse=True)
        green = np.unpackbits(_greens(symbols, last), axis=1, count=symbols)
        bias = BIAS * torch.from_numpy(green).to(place)[torch.from_numpy(row).to(place)]
        return logits.float() + torch.nn.functional.pad(bias, (0, logits.shape[1] - symbols))

    return favour


def _tournament(place: torch.device) -> Mark:
    """Return what lets all tokens meet in thirty tournaments, each decided by coins that the last tokens choose."""
    import torch

    coins = torch.from_numpy(_coins()).to(place, torch.float32)

    def compete(ids: Tensor, logits: Tensor) -> Tensor:
        logits = logits.float()
        if ids.shape[1] < _CONTEXT:
            return logits
        drawn = _hashed(ids[:, -_CONTEXT:])
        spun = _spun(drawn[:, None] + torch.arange(logits.shape[1], device=place))
        shares = torch.softmax(logits, dim=1)
        for side in coins:
            won = side[spun]
            shares = shares * (1 + won - (won * shares).sum(dim=1, keepdim=True))
        logs = torch.log(shares.clamp(min=0.0)).clamp(min=torch.finfo(torch.float32).min)  # rounding goes below 0
        return torch.where(_met(ids)[:, None], logits, logs)

    return compete


def _met(ids: Tensor) -> Tensor:
    """Say which rows have met their last context before: the same tournaments again would wear the text down."""
    earlier = ids[:, :-1]
    if earlier.shape[1] < _CONTEXT:
        return ids.new_zeros(len(ids)).bool()
    same = earlier.unfold(1, _CONTEXT, 1) == ids[:, None, -_CONTEXT:]
    return same.all(dim=2).any(dim=1)


def _hashed(context: Tensor) -> Tensor:
    """Return the hash of each row's tokens, modulo 2^64, (n,)."""
    hashed = context.new_ones(len(context))
    for token in context.unbind(dim=1):
        hashed = (hashed + token) * _MULTIPLIER + 1
    return hashed


def _spun(drawn: Tensor) -> Tensor:
    """Return where in the table of coins a token stands, given its context's hash with the token added."""
    return ((drawn * _MULTIPLIER + 1) * _MULTIPLIER) & (_COINS - 1)


@lru_cache(maxsize=1)
def _coins() -> Array:
    """Return the coin, 0 or 1, of each tournament at every place of the table, (30, 65536)."""
    import torch

    table = torch.randint(0, 2, (_COINS,), generator=torch.Generator().manual_seed(0)).numpy().astype(np.uint8)
    turns = [(key * _MULTIPLIER + 1) % _COINS for key in KEYS]
    return np.stack([np.roll(table, -turn) for turn in turns])


@lru_cache(maxsize=1 << 15)  # of 50,000 symbols, 200 MB
def _green(symbols: int, token: int) -> Array:
    """Return which tokens a token favours, as bits."""
    import torch

    generator = torch.Generator().manual_seed(_PRIME * token % (2**64 - 1))
    favoured = np.zeros(symbols, dtype=bool)
    favoured[torch.randperm(symbols, generator=generator)[: int(symbols * GREEN)].numpy()] = True
    return np.packbits(favoured)


def _greens(symbols: int, tokens: IntArray) -> Array:
    """Return which tokens each of some tokens favours, (m, K / 8) bytes of bits."""
    return np.stack([_green(symbols, token) for token in tokens.tolist()])


def _green_scores(tokens: IntArray, symbols: int) -> FloatArray:
    before, after = tokens[:, :-1].astype(np.int64), tokens[:, 1:].astype(np.int64)
    counted = _first(before * symbols + after)
    share = int(symbols * GREEN) / symbols
    return _standardised(_is_green(before, after, symbols), counted, share, share * (1 - share))


def _is_green(before: IntArray, after: IntArray, symbols: int) -> Array:
    """Say of which tokens the predecessor favours them, an alphabet of any size by some predecessors at a time."""
    distinct, place = np.unique(before, return_inverse=True)
    place = place.reshape(before.shape)
    found = np.zeros(before.shape, dtype=bool)
    for start in range(0, len(distinct), _AT_ONCE):
        bits = _greens(symbols, distinct[start : start + _AT_ONCE])
        here = (place >= start) & (place < start + _AT_ONCE)
        token = after[here]
        found[here] = bits[place[here] - start, token >> 3] >> (7 - (token & 7)) & 1
    return found


def _coin_scores(tokens: IntArray) -> FloatArray:
    import torch

    won = _coins().sum(axis=0, dtype=np.float64)
    places = max(0, tokens.shape[1] - _CONTEXT)
    ids = torch.from_numpy(np.ascontiguousarray(tokens, dtype=np.int64))
    context = torch.stack([_hashed(ids[:, i : i + _CONTEXT]) for i in range(places)], dim=1) if places else ids[:, :0]
    spun = _spun(context + ids[:, _CONTEXT:]).numpy()
    return _standardised(won[spun], _first(context.numpy()), float(won.mean()), float(won.var()))


def _first(keys: IntArray) -> Array:
    """Say which places of a row hold a key that stands nowhere before, (n, m)."""
    order = np.argsort(keys, axis=1, kind="stable")
    ordered = np.take_along_axis(keys, order, axis=1)
    new = np.ones(keys.shape, dtype=bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    first = np.empty_like(new)
    np.put_along_axis(first, order, new, axis=1)
    return first


def _standardised(values: Array, counted: Array, mean: float, variance: float) -> FloatArray:
    """Return the sum of what is counted in each row as a standard normal score; nan where nothing is."""
    count = counted.sum(axis=1)
    total = np.where(counted, values, 0.0).sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray((total - mean * count) / np.sqrt(variance * count))
