// The one door to the server: typed by docs/openapi.json, so that a call of something that is not in the API does not compile.
import type { DryRun, ImportPreview, paths, SieveCheck } from "./schema";

/** RFC 9457, as every error of the API comes. */
export interface Problem {
  type?: string;
  title: string;
  status: number;
  code: string;
  detail?: string;
  fields?: { field?: string; name?: string; detail?: string; text?: string }[];
  request_id?: string;
  help?: string;
}

export class ApiError extends Error {
  constructor(
    readonly problem: Problem,
    readonly retryAfter?: number,
  ) {
    super(problem.detail ?? problem.title);
  }
  get status(): number {
    return this.problem.status;
  }
}

type Method = "get" | "post" | "put" | "patch" | "delete";
type PathsOf<M extends Method> = {
  [P in keyof paths]: paths[P] extends Record<M, infer O> ? ([O] extends [undefined] ? never : P) : never;
}[keyof paths];
type Operation<P extends keyof paths, M extends Method> = paths[P] extends Record<M, infer O> ? NonNullable<O> : never;
type Parameters<O> = O extends { parameters: infer X } ? X : never;
type PathOf<O> = Parameters<O> extends { path: infer X } ? X : undefined;
type QueryOf<O> = Parameters<O> extends { query?: infer X } ? NonNullable<X> : undefined;
type BodyOf<O> = O extends { requestBody?: infer B } ? (NonNullable<B> extends { content: { "application/json": infer X } } ? X : undefined) : undefined;
type Ok<O> = O extends { responses: infer R } ? R[keyof R & (200 | 201 | 202)] : never;
type Body<R> = R extends { content: { "application/json": infer X } } ? X : undefined;
type Tried = DryRun | ImportPreview | SieveCheck;
/** What a call answers when it does what it says, and when it only tries. */
export type Answer<P extends keyof paths, M extends Method> = Exclude<Body<Ok<Operation<P, M>>>, Tried>;
export type TryAnswer<P extends keyof paths, M extends Method> = Extract<Body<Ok<Operation<P, M>>>, Tried>;

export interface Call<P extends keyof paths, M extends Method> {
  path?: PathOf<Operation<P, M>>;
  query?: QueryOf<Operation<P, M>>;
  body?: BodyOf<Operation<P, M>>;
  /** ETag that the object had when it was read. */
  ifMatch?: string | undefined;
  signal?: AbortSignal | undefined;
}

const prefix = "/api/v1";
/** What is read this long after the last key, click or touch was read by the page itself: the session counts as idle meanwhile. */
const attention = 30_000;
let lastInput = Date.now();
if (typeof addEventListener === "function")
  for (const type of ["pointerdown", "keydown", "wheel", "touchstart"]) addEventListener(type, () => { lastInput = Date.now(); }, { capture: true, passive: true });
let csrf = "";
let signedOut: () => void = () => undefined;

/** The token that the server wants back with every write of this session. */
export function setCsrfToken(token: string): void {
  csrf = token;
}
/** Called when the server no longer knows the session. */
export function onSignedOut(call: () => void): void {
  signedOut = call;
}

export function addressOf(template: string, path?: object, query?: object): string {
  let address = template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = (path as Record<string, unknown> | undefined)?.[name];
    return encodeURIComponent(String(value));
  });
  const search = new URLSearchParams();
  for (const [k, v] of Object.entries(query ?? {})) if (v !== undefined && v !== "" && v !== null) search.set(k, String(v));
  const text = search.toString();
  if (text) address += `?${text}`;
  return prefix + address;
}

function problemOf(status: number, body: unknown): Problem {
  if (typeof body === "object" && body !== null && "code" in body) return body as Problem;
  return { title: `HTTP ${status}`, status, code: "http" };
}

export interface Result<T> {
  data: T;
  etag?: string;
}

interface Sent {
  body?: unknown;
  ifMatch?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** The server's answer, when it is none of its errors. */
async function ask(method: Method, address: string, accept: string, call: Sent): Promise<Response> {
  const headers: Record<string, string> = { Accept: accept };
  const init: RequestInit = { method: method.toUpperCase(), headers, credentials: "same-origin" };
  if (method !== "get") {
    headers["X-CSRF-Token"] = csrf;
    headers["Idempotency-Key"] = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
  }
  if (call.body !== undefined) {
    headers["Content-Type"] = method === "patch" ? "application/merge-patch+json" : "application/json";
    init.body = JSON.stringify(call.body);
  }
  if (method === "get" && Date.now() - lastInput > attention) headers["X-Background"] = "1";
  if (call.ifMatch) headers["If-Match"] = call.ifMatch;
  // What is sent while the page is left is sent all the same.
  if (method === "delete") init.keepalive = true;
  if (call.signal) init.signal = call.signal;
  let response: Response;
  try {
    response = await fetch(address, init);
  } catch (e) {
    if (call.signal?.aborted) throw e;
    throw new ApiError({ title: "offline", status: 0, code: "offline" });
  }
  if (response.ok) return response;
  if (response.status === 401 && !address.startsWith(`${prefix}/login`)) signedOut();
  const after = Number(response.headers.get("Retry-After"));
  throw new ApiError(problemOf(response.status, await jsonOf(response)), after || undefined);
}

async function jsonOf(response: Response): Promise<unknown> {
  return /json/.test(response.headers.get("Content-Type") ?? "") ? await response.json() : undefined;
}

async function send<T>(method: Method, address: string, call: Sent): Promise<Result<T>> {
  const response = await ask(method, address, "application/json", call);
  const result: Result<T> = { data: (await jsonOf(response)) as T };
  const etag = response.headers.get("ETag");
  if (etag) result.etag = etag;
  return result;
}

/** What is no JSON, as it comes. */
export async function bytes<P extends PathsOf<"get">>(path: P, call: Call<P, "get"> = {}): Promise<Blob> {
  return await (await ask("get", addressOf(path as string, call.path as object | undefined, call.query as object | undefined), "*/*", call)).blob();
}

/** With the ETag, for what will be changed. */
export function request<M extends Method, P extends PathsOf<M>>(method: M, path: P, call: Call<P, M> = {}): Promise<Result<Answer<P, M>>> {
  return send(method, addressOf(path as string, call.path as object | undefined, call.query as object | undefined), call);
}

/** What the call would do; nothing is changed. */
export async function dryRun<M extends Exclude<Method, "get">, P extends PathsOf<M>>(method: M, path: P, call: Call<P, M> = {}): Promise<TryAnswer<P, M>> {
  const query = { ...(call.query as object | undefined), dry_run: "true" };
  return (await send<TryAnswer<P, M>>(method, addressOf(path as string, call.path as object | undefined, query), call)).data;
}

export const api = {
  get: async <P extends PathsOf<"get">>(path: P, call?: Call<P, "get">) => (await request("get", path, call)).data,
  post: async <P extends PathsOf<"post">>(path: P, call?: Call<P, "post">) => (await request("post", path, call)).data,
  put: async <P extends PathsOf<"put">>(path: P, call?: Call<P, "put">) => (await request("put", path, call)).data,
  patch: async <P extends PathsOf<"patch">>(path: P, call?: Call<P, "patch">) => (await request("patch", path, call)).data,
  delete: async <P extends PathsOf<"delete">>(path: P, call?: Call<P, "delete">) => (await request("delete", path, call)).data,
};
