"""The comparison of bench/evaluate.ts by hand in Python: onnxruntime, pyarrow, numpy, scipy and scikit-learn.

Usage: evaluate_peer.py bootstrap|closed FOLDER RESAMPLES

- bootstrap: scikit-learn's metrics of both models, and a paired bootstrap that computes all of them again on every resample.
- closed: scikit-learn's metrics of both models (their time is told as `values`), and intervals by the methods of docs/statistics.md
  (Tango, DeLong, paired t, cell bootstraps, influence), vectorised.

Prints one line of JSON.
"""

import json
import resource
import sys
import time

import numpy as np
import onnxruntime
import pyarrow.parquet as parquet
from scipy import optimize, stats
from sklearn import metrics as sk

ALPHA = 0.05
Z = stats.norm.ppf(1 - ALPHA)
BATCH = 8192


def predict(folder):
    table = parquet.read_table(f"{folder}/data.parquet")
    features = [name for name in table.column_names if name.startswith("f")]
    columns = [table.column(name).to_numpy() for name in features]
    rows = table.num_rows
    scores = []
    sessions = [onnxruntime.InferenceSession(f"{folder}/{name}.onnx") for name in ("champion", "candidate")]
    outputs = [np.empty(rows, dtype=np.float32) for _ in sessions]
    for start in range(0, rows, BATCH):
        batch = np.stack([column[start : start + BATCH] for column in columns], axis=1)
        for session, output in zip(sessions, outputs):
            output[start : start + BATCH] = session.run(None, {"x": batch})[0][:, 0]
    scores = [output.astype(np.float64) for output in outputs]
    return table.column("label").to_numpy(), table.column("segment").to_numpy(zero_copy_only=False), scores


# Calibration errors, which scikit-learn has none of.


def edges_of(score, mass):
    return np.quantile(score, np.linspace(0, 1, 11)) if mass else np.linspace(0, 1, 11)


def bins_of(score, mass):
    return np.digitize(score, edges_of(score, mass)[1:-1], right=True)


def gaps(weights, scores, outcomes):
    """Gap and weight of each bin, the bins on the last axis."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weights > 0, np.abs(outcomes - scores) / weights, 0), weights


def expected_error(sums):
    gap, weights = gaps(*sums)
    return (gap * weights).sum(axis=-1) / weights.sum(axis=-1)


def maximum_error(sums):
    return gaps(*sums)[0].max(axis=-1)


CALIBRATIONS = {
    "ece": (False, False, expected_error),
    "ece_quantile": (False, True, expected_error),
    "mce": (False, False, maximum_error),
    "ece_confidence": (True, False, expected_error),
    "ece_confidence_quantile": (True, True, expected_error),
}


def calibrated(label, score, confidence):
    if not confidence:
        return score, label
    return np.maximum(score, 1 - score), ((score >= 0.5) == label).astype(np.int64)


def calibration(name, label, score):
    confidence, mass, error = CALIBRATIONS[name]
    value, outcome = calibrated(label, score, confidence)
    bins = bins_of(value, mass)
    return error([np.bincount(bins, weights, 10) for weights in (None, value, outcome)])


# The first peer: everything again on every resample.


def everything(label, score):
    decision = (score >= 0.5).astype(np.int64)
    values = {
        "roc_auc": sk.roc_auc_score(label, score),
        "average_precision": sk.average_precision_score(label, score),
        "log_loss": sk.log_loss(label, score),
        "brier": sk.brier_score_loss(label, score),
        "accuracy": sk.accuracy_score(label, decision),
        "balanced_accuracy": sk.balanced_accuracy_score(label, decision),
        "mcc": sk.matthews_corrcoef(label, decision),
        "kappa": sk.cohen_kappa_score(label, decision),
        "specificity": sk.recall_score(label, decision, pos_label=0),
        "negative_predictive_value": sk.precision_score(label, decision, pos_label=0),
    }
    for average in ("binary", "macro", "weighted", "micro"):
        suffix = "" if average == "binary" else f"_{average}"
        # One pass for all three, as a careful person would.
        precision, recall, f1, _ = sk.precision_recall_fscore_support(label, decision, average=average)
        values |= {f"precision{suffix}": precision, f"recall{suffix}": recall, f"f1{suffix}": f1}
        for beta in (0.5, 2):
            values[f"f{beta}{suffix}"] = sk.fbeta_score(label, decision, beta=beta, average=average)
    for name in CALIBRATIONS:
        values[name] = calibration(name, label, score)
    return values


def differences(label, slices, scores, rows=None):
    if rows is not None:
        label, scores, slices = label[rows], [score[rows] for score in scores], slices[rows]
    before, after = (everything(label, score) for score in scores)
    values = {name: after[name] - before[name] for name in after}
    right = [(score >= 0.5) == label for score in scores]
    gained = right[1].astype(np.float64) - right[0]
    for number in range(slices.max() + 1):
        values[f"accuracy@{number}"] = gained[slices == number].mean()
    return values


def bootstrap(label, segment, scores, resamples):
    _, slices = np.unique(segment, return_inverse=True)
    random = np.random.default_rng(1)
    differences(label, slices, scores)
    started = time.perf_counter()
    replicates = [
        differences(label, slices, scores, random.integers(len(label), size=len(label))) for _ in range(resamples)
    ]
    seconds = (time.perf_counter() - started) / resamples
    for name in replicates[0]:
        np.quantile([each[name] for each in replicates], [ALPHA, 1 - ALPHA])
    return {}, {"resample": 1000 * seconds}


# The second peer: the methods that contender uses.


def tango(gained, lost, rows):
    def score(difference):
        linear = -gained - lost + (2 * rows - gained + lost) * difference
        root = np.sqrt(max(0, linear**2 + 8 * rows * lost * difference * (1 - difference)))
        only = (root - linear) / (4 * rows)
        variance = rows * (2 * only + difference * (1 - difference))
        return (gained - lost - rows * difference) / np.sqrt(variance)

    estimate = (gained - lost) / rows
    reach = 20 * np.sqrt(gained + lost + 1) / rows
    return [optimize.brentq(lambda d: score(d) - z, estimate - reach, estimate + reach, xtol=1e-14) for z in (Z, -Z)]


def placements(label, score):
    positive = label == 1
    m, n = positive.sum(), (~positive).sum()
    ranks = stats.rankdata(score)
    within_positive = stats.rankdata(score[positive])
    within_negative = stats.rankdata(score[~positive])
    return (ranks[positive] - within_positive) / n, 1 - (ranks[~positive] - within_negative) / m


def delong(label, scores):
    (a, b), (c, d) = (placements(label, score) for score in scores)
    delta = c.mean() - a.mean()
    error = np.sqrt(np.var(c - a, ddof=1) / len(a) + np.var(d - b, ddof=1) / len(b))
    return [delta - Z * error, delta + Z * error]


def paired_t(differences):
    error = differences.std(ddof=1) / np.sqrt(len(differences))
    reach = stats.t.ppf(1 - ALPHA, len(differences) - 1) * error
    return [differences.mean() - reach, differences.mean() + reach]


def precision_influence(label, score):
    order = np.argsort(-score, kind="stable")
    ordered = label[order].astype(np.float64)
    ends = np.r_[np.flatnonzero(np.diff(score[order])), len(order) - 1]
    run = np.searchsorted(ends, np.arange(len(order)))
    hits = np.cumsum(ordered)[ends]
    seen = ends + 1.0
    positives = np.diff(np.r_[0, hits])
    precision = hits / seen
    average = (positives * precision).sum() / hits[-1]
    inverse = np.cumsum((positives / seen)[::-1])[::-1]
    precise = np.cumsum((positives * precision / seen)[::-1])[::-1]
    influence = np.empty(len(order))
    influence[order] = (ordered * (precision - average + inverse)[run] - precise[run]) * (len(order) / hits[-1])
    return average, influence


def cell_values(matrix):
    """Metrics of confusion counts [..., truth, decision]."""
    tn, fp, fn, tp = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 1, 0], matrix[..., 1, 1]
    all_ = tn + fp + fn + tp
    precision = np.stack([tn / (tn + fn), tp / (tp + fp)])
    recall = np.stack([tn / (tn + fp), tp / (tp + fn)])
    share = np.stack([(tn + fp) / all_, (tp + fn) / all_])
    expected = ((tn + fp) * (tn + fn) + (fn + tp) * (fp + tp)) / all_**2
    observed = (tn + tp) / all_
    values = {
        "balanced_accuracy": recall.mean(axis=0),
        "precision": precision[1],
        "negative_predictive_value": precision[0],
        "mcc": (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)),
        "kappa": (observed - expected) / (1 - expected),
    }
    both = {"precision": precision, "recall": recall}
    for beta in (0.5, 1, 2):
        square = beta * beta
        hits = (1 + square) * np.stack([tn, tp])
        both[f"f{beta}"] = hits / (hits + square * np.stack([fp, fn]) + np.stack([fn, fp]))
        values[f"f{beta}"] = both[f"f{beta}"][1]
    for name, each in both.items():
        values |= {f"{name}_macro": each.mean(axis=0), f"{name}_weighted": (share * each).sum(axis=0)}
    return values


def bca(values, delta, without, multiplicity):
    values = np.sort(values)
    place = (np.searchsorted(values, delta, "left") + np.searchsorted(values, delta, "right")) / 2 / len(values)
    bias = stats.norm.ppf(np.clip(place, 1 / (len(values) + 1), len(values) / (len(values) + 1)))
    apart = np.average(without, weights=multiplicity) - without
    squares = (multiplicity * apart**2).sum()
    skew = (multiplicity * apart**3).sum() / (6 * squares**1.5) if squares > 0 else 0
    levels = [stats.norm.cdf(bias + (bias + z) / (1 - skew * (bias + z))) for z in (-Z, Z)]
    return list(np.quantile(values, levels))


def cells(label, decisions, resamples, random):
    joint = np.bincount((label * 2 + decisions[0]) * 2 + decisions[1], minlength=8).astype(np.float64)
    rows = int(joint.sum())
    drawn = random.multinomial(rows, joint / rows, size=resamples).reshape(-1, 2, 2, 2).astype(np.float64)
    occurring = np.flatnonzero(joint)
    without = (joint - np.eye(8)[occurring]).reshape(-1, 2, 2, 2)
    observed = joint.reshape(1, 2, 2, 2)

    def difference(counts):
        before, after = cell_values(counts.sum(axis=3)), cell_values(counts.sum(axis=2))
        return {name: after[name] - before[name] for name in after}

    values, left, delta = difference(drawn), difference(without), difference(observed)
    return {name: bca(values[name], delta[name][0], left[name], joint[occurring]) for name in values}


def calibration_interval(name, label, scores, resamples, random):
    confidence, mass, error = CALIBRATIONS[name]
    values, outcomes = zip(*(calibrated(label, score, confidence) for score in scores))
    bins = [bins_of(value, mass) for value in values]
    code = ((bins[0] * 2 + outcomes[0]) * 10 + bins[1]) * 2 + outcomes[1]
    counts = np.bincount(code, minlength=400)
    kept = np.flatnonzero(counts)
    count = counts[kept].astype(np.float64)
    mean = [np.bincount(code, value, 400)[kept] / count for value in values]
    variance = [np.bincount(code, value * value, 400)[kept] / count - m * m for value, m in zip(values, mean)]
    shared = np.bincount(code, values[0] * values[1], 400)[kept] / count - mean[0] * mean[1]
    spread = np.sqrt(np.maximum(variance[0], 0))
    part = np.divide(shared, spread, out=np.zeros_like(spread), where=spread > 0)
    own = np.sqrt(np.maximum(variance[1] - part * part, 0))
    drawn = random.multinomial(len(label), count / count.sum(), size=resamples).astype(np.float64)
    root = np.sqrt(drawn)
    normals = random.standard_normal((2, *drawn.shape))
    sums = [
        drawn * mean[0] + root * spread * normals[0],
        drawn * mean[1] + root * (part * normals[0] + own * normals[1]),
    ]
    errors = []
    for side in (0, 1):
        bin_ = (kept // 40, kept // 2 % 10)[side]
        outcome = (kept // 20 % 2, kept % 2)[side]
        member = np.eye(10)[bin_]
        errors.append(error([drawn @ member, sums[side] @ member, (drawn * outcome) @ member]))
    estimate = calibration(name, label, scores[1]) - calibration(name, label, scores[0])
    deviation = (errors[1] - errors[0]).std(ddof=1)
    return [estimate - Z * deviation, estimate + Z * deviation]


def closed(label, segment, scores, resamples):
    random = np.random.default_rng(1)
    started = time.perf_counter()
    for score in scores:
        everything(label, score)
    values = 1000 * (time.perf_counter() - started)
    decisions = [(score >= 0.5).astype(np.int64) for score in scores]
    right = [decision == label for decision in decisions]
    gained, lost = right[1] & ~right[0], right[0] & ~right[1]

    def proportion(rows):
        return tango(int(gained[rows].sum()), int(lost[rows].sum()), len(gained[rows]))

    intervals = {"roc_auc": delong(label, scores), "accuracy": proportion(slice(None))}
    for name in ("precision_micro", "recall_micro", "f1_micro", "f2_micro", "f0.5_micro"):
        intervals[name] = intervals["accuracy"]
    intervals["recall"] = proportion(label == 1)
    intervals["specificity"] = proportion(label == 0)
    clipped = [np.clip(score, np.finfo(np.float64).eps, 1 - np.finfo(np.float64).eps) for score in scores]
    losses = [-np.log(np.where(label == 1, each, 1 - each)) for each in clipped]
    intervals["log_loss"] = paired_t(losses[0] - losses[1])
    intervals["brier"] = paired_t((scores[0] - label) ** 2 - (scores[1] - label) ** 2)
    (before, one), (after, other) = (precision_influence(label, score) for score in scores)
    apart = other - one
    error = apart.std(ddof=1) / np.sqrt(len(apart))
    intervals["average_precision"] = [after - before - Z * error, after - before + Z * error]
    intervals |= cells(label, decisions, resamples, random)
    for name in CALIBRATIONS:
        lower, upper = calibration_interval(name, label, scores, resamples, random)
        intervals[name] = [-upper, -lower]
    _, slices = np.unique(segment, return_inverse=True)
    for number in range(slices.max() + 1):
        intervals[f"accuracy@segment=s{number}"] = proportion(slices == number)
    return intervals, {"values": values}


def main():
    mode, folder, resamples = sys.argv[1], sys.argv[2], int(sys.argv[3])
    started = time.perf_counter()
    label, segment, scores = predict(folder)
    predicted = time.perf_counter()
    label = label.astype(np.int64)
    intervals, parts = {"bootstrap": bootstrap, "closed": closed}[mode](label, segment, scores, resamples)
    ended = time.perf_counter()
    print(
        json.dumps(
            {
                "predict": 1000 * (predicted - started),
                "evaluate": 1000 * (ended - predicted),
                **parts,
                "checksum": float(sum(score.sum() for score in scores)),
                "memory": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
                "intervals": {name: [float(bound) for bound in bounds] for name, bounds in intervals.items()},
            }
        )
    )


main()
