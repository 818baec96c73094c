import type { FoundCapacity } from './capacity-check.ts';
import type { Throughput } from './capacity.ts';
import type { Load } from './schema.ts';

/** Advice on replicas, from the measured capacity of one or several. */
export interface Sizing {
  /** Requests a second that one replica should be given. */
  perReplica: number;
  /** Requests in flight in one replica at that rate: Little's law. */
  concurrency: number;
  /** For `target_rps`. */
  replicas: number | null;
  costPerMillion: number | null;
  law: ScalabilityLaw | null;
  /** Texts to paste, by what they are for. */
  rules: { title: string; text: string }[];
}

/** X(N) = lambda N / (1 + sigma (N - 1) + kappa N (N - 1)): N. Gunther, the Universal Scalability Law. */
export interface ScalabilityLaw {
  lambda: number;
  /** Contention: the share of work that waits for its turn. */
  sigma: number;
  /** Crosstalk: the price of keeping each other informed. */
  kappa: number;
  /** Users beyond which throughput falls; null: it does not fall. */
  peakUsers: number | null;
  /** Share of the variance of throughput that the law explains. */
  r2: number;
}

const headroomByDefault = 0.3;

/** @param meanMs mean latency at about the advised rate */
export function sizingOf(
  found: FoundCapacity,
  curve: readonly Throughput[],
  meanMs: number,
  settings: NonNullable<Load['sizing']>,
  name: string,
): Sizing | null {
  if (found.met === null) return null;
  const { headroom = headroomByDefault, target_rps: target, price_per_hour: price, replicas: measured = 1 } = settings;
  const perReplica = ((1 - headroom) * (found.estimate ?? found.met)) / measured;
  const concurrency = (perReplica * meanMs) / 1000;
  const replicas = target === undefined ? null : Math.max(1, Math.ceil(target / perReplica));
  return {
    perReplica,
    concurrency,
    replicas,
    costPerMillion: price === undefined ? null : (price / (perReplica * 3600)) * 1e6,
    law: scalabilityLaw(curve),
    rules: rulesOf(perReplica, concurrency, replicas ?? 1, name),
  };
}

/**
 * Fit the law to throughput by users. With Y = N lambda / X - 1 it is linear in sigma and kappa; lambda is the throughput of one user.
 * Both coefficients are at least 0. Null with fewer than six points, or where it explains less than nine tenths of the variance.
 */
export function scalabilityLaw(curve: readonly Throughput[]): ScalabilityLaw | null {
  const [one] = curve;
  if (curve.length < 6 || one?.users !== 1 || curve.some(({ rate }) => !(rate > 0))) return null;
  const rest = curve.slice(1);
  let best: ScalabilityLaw | null = null;
  // The rate of one user is itself a measurement: try values around it.
  for (let share = 0.7; share <= 1.301; share += 0.02) {
    const lambda = one.rate * share;
    const law = fitted(lambda, rest);
    const r2 = explained(law, curve);
    if (best === null || r2 > best.r2) {
      const peakUsers = law.kappa > 0 && law.sigma < 1 ? Math.sqrt((1 - law.sigma) / law.kappa) : null;
      best = { ...law, peakUsers, r2 };
    }
  }
  return best !== null && best.r2 >= 0.9 ? best : null;
}

type Coefficients = Pick<ScalabilityLaw, 'lambda' | 'sigma' | 'kappa'>;

function fitted(lambda: number, points: readonly Throughput[]): Coefficients {
  let [aa, ab, bb, ay, by] = [0, 0, 0, 0, 0];
  for (const { users, rate } of points) {
    // Weighted by the square of X / N lambda, so that the error is that of the rate and not of its inverse.
    const weight = (rate / (users * lambda)) ** 2;
    const [a, b, y] = [users - 1, users * (users - 1), (users * lambda) / rate - 1];
    aa += weight * a * a;
    ab += weight * a * b;
    bb += weight * b * b;
    ay += weight * a * y;
    by += weight * b * y;
  }
  const determinant = aa * bb - ab * ab;
  const both =
    determinant > 0 ? { sigma: (ay * bb - by * ab) / determinant, kappa: (by * aa - ay * ab) / determinant } : null;
  if (both !== null && both.sigma >= 0 && both.kappa >= 0) return { lambda, ...both };
  const alone = { sigma: Math.max(0, ay / aa), kappa: Math.max(0, by / bb) };
  const [bySigma, byKappa] = [
    { lambda, sigma: alone.sigma, kappa: 0 },
    { lambda, sigma: 0, kappa: alone.kappa },
  ];
  return explained(bySigma, points) >= explained(byKappa, points) ? bySigma : byKappa;
}

export function throughputOf({ lambda, sigma, kappa }: Coefficients, users: number): number {
  return (lambda * users) / (1 + sigma * (users - 1) + kappa * users * (users - 1));
}

function explained(law: Coefficients, points: readonly Throughput[]): number {
  const mean = points.reduce((sum, { rate }) => sum + rate, 0) / points.length;
  const total = points.reduce((sum, { rate }) => sum + (rate - mean) ** 2, 0);
  const left = points.reduce((sum, { users, rate }) => sum + (rate - throughputOf(law, users)) ** 2, 0);
  return total === 0 ? 0 : 1 - left / total;
}

function rulesOf(perReplica: number, concurrency: number, replicas: number, name: string): Sizing['rules'] {
  const rate = Number(perReplica.toPrecision(3));
  const inFlight = Math.max(1, Math.round(concurrency));
  const most = Math.max(replicas + 1, 2 * replicas);
  // One line of YAML each: it stays whole wherever a report shows it.
  return [
    {
      title: 'Kubernetes (HorizontalPodAutoscaler)',
      text: `{ apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: { name: ${name} }, spec: { scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: ${name} }, minReplicas: ${replicas}, maxReplicas: ${most}, metrics: [{ type: Pods, pods: { metric: { name: http_requests_per_second }, target: { type: AverageValue, averageValue: "${rate}" } } }] } }`,
    },
    {
      title: 'KServe (InferenceService)',
      text: `{ spec: { predictor: { minReplicas: ${replicas}, maxReplicas: ${most}, scaleMetric: rps, scaleTarget: ${Math.max(1, Math.floor(rate))}, containerConcurrency: ${2 * inFlight} } } }`,
    },
    {
      title: 'Amazon ECS (target tracking, requests a minute for each task)',
      text: `{ PolicyType: TargetTrackingScaling, TargetTrackingScalingPolicyConfiguration: { PredefinedMetricSpecification: { PredefinedMetricType: ALBRequestCountPerTarget }, TargetValue: ${Math.max(1, Math.floor(perReplica * 60))} } }`,
    },
  ];
}
