/** The Fieldmerge API, typed: paths, bodies and answers are those of `api.ts`, which is generated. */

import createFetchClient, { type Client } from "openapi-fetch";
import type { Problem, paths } from "./api.js";

export type * from "./api.js";

export type Fieldmerge = Client<paths>;

export interface Options {
  /** Scheme, host and port of the server: `https://fieldmerge.example.com`. */
  origin: string;
  /** The access token of now, asked before each request; undefined before the login. */
  token?: () => string | undefined;
  /** Language of the texts of errors. */
  language?: "ko" | "en";
  /** Another fetch, in tests or where there is none. */
  fetch?: (request: Request) => Promise<Response>;
}

/** A client that sends the token and names the language. */
export function fieldmerge(options: Options): Fieldmerge {
  const client = createFetchClient<paths>({
    baseUrl: options.origin,
    headers: { "Accept-Language": options.language ?? "ko" },
    ...(options.fetch ? { fetch: options.fetch } : {}),
  });
  client.use({
    onRequest({ request }) {
      const token = options.token?.();
      if (token) request.headers.set("Authorization", `Bearer ${token}`);
      return request;
    },
  });
  return client;
}

/** What the server refused; branch on `code`. */
export class ProblemError extends Error {
  readonly code: string;

  constructor(readonly problem: Problem) {
    super(problem.detail ?? problem.title);
    this.name = "ProblemError";
    this.code = problem.code;
  }
}

/** The data of an answer.
 *
 * @throws ProblemError when it is a refusal.
 */
export function unwrap<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.response.ok) return answer.data as T;
  const said = answer.error as Partial<Problem> | undefined;
  throw new ProblemError({
    type: said?.type ?? "about:blank",
    title: said?.title ?? answer.response.statusText,
    status: said?.status ?? answer.response.status,
    code: said?.code ?? `http_${answer.response.status}`, // a proxy's own page
    ...said,
  });
}

/** All items of a list, page by page: `for await (const account of pages((cursor) => api.GET(…)))`. */
export async function* pages<T>(
  ask: (cursor: string | undefined) => Promise<{
    data?: { items: T[]; next_cursor: string | null };
    error?: unknown;
    response: Response;
  }>,
): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const page = unwrap(await ask(cursor));
    yield* page.items;
    cursor = page.next_cursor ?? undefined;
  } while (cursor);
}
