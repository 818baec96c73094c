import type { BareRepository } from './bare-repository.ts';

/*
 * What GitHub keeps beside git: who may do what, pull requests, comments, check runs, releases. Kept in memory, in the
 * form the REST API shows it, so that a test can look at it directly.
 */

export type Scope =
  | 'contents'
  | 'pull-requests'
  | 'issues'
  | 'checks'
  | 'actions'
  | 'statuses'
  | 'deployments'
  | 'administration'
  | 'metadata'
  | 'workflows';
export type Permissions = Partial<Record<Scope, 'read' | 'write'>>;

export interface Token {
  login: string;
  /** A bot's commits and tags made through the API are signed by GitHub, a person's are not. */
  type: 'Bot' | 'User';
  /** Scopes that are not named are not granted; null: everything. */
  permissions: Permissions | null;
  /** Requests left until the primary limit; null: no limit. */
  remaining: number | null;
  /** When the limit is lifted, in seconds since 1970. */
  reset: number;
}

export interface Protection {
  /** Branches by full name, such as `refs/heads/main`, `refs/heads/release/*` or `refs/tags/*`. */
  ref: string;
  kind: 'branch-protection' | 'ruleset';
  /** What GitHub says is missing. */
  violations: string[];
  /** Logins it does not bind. */
  bypass: string[];
  /** Approving reviews a pull request needs before it can be merged. */
  approvals: number;
}

export interface Person {
  login: string;
  id: number;
  type: 'Bot' | 'User';
}

export interface PullRequest {
  number: number;
  title: string;
  body: string | null;
  state: 'open' | 'closed';
  draft: boolean;
  base: string;
  head: string;
  /** Where head lies, for a pull request from a fork. */
  headRepository: string;
  /** The commit of head: kept here once it is closed and its branch gone. */
  headSha: string;
  user: Person;
  labels: string[];
  merged: boolean;
  mergeSha: string | null;
  /** What the base was when it was merged. */
  mergedInto?: string;
  created: string;
  updated: string;
  reviews: Review[];
}

export interface Review {
  id: number;
  user: Person;
  state: 'APPROVED' | 'CHANGES_REQUESTED' | 'COMMENTED' | 'DISMISSED';
  body: string;
  commit: string;
  submitted: string;
}

export interface Comment {
  id: number;
  issue: number;
  user: Person;
  body: string;
  minimized: boolean;
  created: string;
  updated: string;
}

export interface Annotation {
  path: string;
  start_line: number;
  end_line: number;
  start_column?: number;
  end_column?: number;
  annotation_level: 'notice' | 'warning' | 'failure';
  message: string;
  title?: string;
  raw_details?: string;
}

export interface CheckRun {
  id: number;
  name: string;
  head_sha: string;
  external_id: string;
  details_url: string | null;
  status: 'queued' | 'in_progress' | 'completed';
  conclusion: string | null;
  started_at: string;
  completed_at: string | null;
  output: { title: string | null; summary: string | null; text: string | null };
  annotations: Annotation[];
  app: string;
}

export interface Asset {
  id: number;
  name: string;
  label: string | null;
  content_type: string;
  bytes: Buffer;
}

export interface Release {
  id: number;
  tag_name: string;
  target_commitish: string;
  name: string | null;
  body: string | null;
  draft: boolean;
  prerelease: boolean;
  created: string;
  published: string | null;
  /** Whether it was published as the latest (make_latest; "Update a release", REST API docs). */
  latest: boolean;
  author: Person;
  assets: Asset[];
}

export interface WorkflowArtifact {
  id: number;
  name: string;
  /** The zip archive. */
  bytes: Buffer;
  expired: boolean;
  /** When it expires. */
  expires: string;
  run: number;
  /** The attempt of the run that made it. */
  attempt: number;
}

/** Where jobs may only go when somebody lets them in. */
export interface Environment {
  id: number;
  name: string;
  /** Logins, one of whom must approve every job; none: nobody is asked. */
  reviewers: string[];
  /** Filter patterns of the branches it takes jobs from; null: all. */
  branches: string[] | null;
}

/** A job that waits for a reviewer of its environment. */
export interface WaitingJob {
  run: number;
  environment: Environment;
  decide(approved: boolean): void;
}

export interface WorkflowRun {
  id: number;
  name: string;
  head_branch: string;
  head_sha: string;
  event: string;
  status: string;
  conclusion: string | null;
  path: string;
  head_repository: string;
  pull_requests: number[];
  /** 1 where it is not said. */
  run_attempt?: number;
  approvals: { state: 'approved' | 'rejected'; comment: string; user: string; environments: string[] }[];
}

export interface RepositoryState {
  owner: string;
  name: string;
  git: BareRepository;
  private: boolean;
  archived: boolean;
  defaultBranch: string;
  protections: Protection[];
  /** The setting that lets workflows make pull requests. */
  workflowsMakePulls: boolean;
  pulls: Map<number, PullRequest>;
  /** Issues that are no pull requests. */
  issues: Map<number, Issue>;
  /** Workflows that may be dispatched: file and names of inputs. */
  workflows: Map<string, string[]>;
  /** What was dispatched, in order. */
  dispatches: Dispatch[];
  comments: Map<number, Comment>;
  checks: Map<number, CheckRun>;
  releases: Map<number, Release>;
  artifacts: Map<number, WorkflowArtifact>;
  runs: Map<number, WorkflowRun>;
  /** By name. What is not here is protected by nothing. */
  environments: Map<string, Environment>;
  waiting: Set<WaitingJob>;
  statuses: { sha: string; state: string; context: string; description: string | null }[];
  deployments: Map<number, Deployment>;
  /** What each ref was at before its last move, for stale answers. */
  before: Map<string, string | null>;
  /** The refs that moved together last, and what they were at. */
  lastMove: { ref: string; before: string | null }[];
  /** Ref updates one after the other. */
  queue: Promise<unknown>;
}

export interface Deployment {
  id: number;
  sha: string;
  ref: string;
  task: string;
  environment: string;
  description: string | null;
  payload: unknown;
  statuses: { state: string; description: string; log_url: string }[];
}

/** Of an issue that stands for another one only the title is known. */
export interface Issue {
  number?: number;
  title: string;
  body?: string;
  state?: 'open' | 'closed';
  reason?: string | null;
  labels?: string[];
  assignees?: string[];
  locked?: boolean;
  user?: Person;
  created?: string;
}

export interface Dispatch {
  event: 'workflow_dispatch' | 'repository_dispatch';
  /** File of the workflow, or type of the event. */
  type: string;
  inputs: Record<string, unknown>;
  ref: string;
}

/** A refusal as the real API words it. */
export class ApiError extends Error {
  readonly status: number;
  readonly extra: Record<string, unknown>;
  /** For GraphQL. */
  readonly type: string;
  constructor(status: number, message: string, extra: Record<string, unknown> = {}, type = 'UNPROCESSABLE') {
    super(message);
    this.status = status;
    this.extra = extra;
    this.type = type;
  }
}

let lastId = 1000;
export function newId(): number {
  return ++lastId;
}

export function now(): string {
  return inDays(0);
}

export function inDays(days: number): string {
  return `${new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 19)}Z`;
}
