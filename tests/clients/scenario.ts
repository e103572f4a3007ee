// A working day with the types generated for TypeScript, and openapi-fetch; strictly typed.
// Called with the address, the user and the password of a demo.

import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Problem = components["schemas"]["Problem"];
type ProductQuery = paths["/api/products/"]["get"]["parameters"]["query"];
type Client = ReturnType<typeof createClient<paths>>;

const [url, user, password] = process.argv.slice(2) as [string, string, string];
const client: Client = createClient<paths>({ baseUrl: url });

function check(truth: unknown, what: string): asserts truth {
  if (!truth) throw new Error(what);
}

function data<Data>(answer: { data?: Data; error?: Problem }): Data {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

// Lists may be asked for as files, which are text; these were not.
function json<Data>(answer: { data?: Data | string; error?: Problem }): Exclude<Data, string> {
  const value = data(answer);
  check(typeof value !== "string", "JSON expected");
  return value as Exclude<Data, string>;
}

function problem(answer: { error?: Problem }, status: number): Problem {
  const { error } = answer;
  check(error && error.status === status, `${status} expected: ${JSON.stringify(answer)}`);
  return error;
}

async function signIn(): Promise<string> {
  const wrong = await client.POST("/api/token/", { body: { username: user, password: "wrong" } });
  check(problem(wrong, 401).code === "no_active_account", "wrong password");
  const { access, refresh } = data(
    await client.POST("/api/token/", { body: { username: user, password } }),
  );
  const bearer: Middleware = {
    onRequest({ request }) {
      request.headers.set("Authorization", `Bearer ${access}`);
      return request;
    },
  };
  client.use(bearer);
  return refresh;
}

async function readLists(): Promise<void> {
  const page = json(
    await client.GET("/api/products/", { params: { query: { page: 2, page_size: 100 } } }),
  );
  check(page.results.length === 100, "a page of 100");
  const query: ProductQuery = { cursor: "", page_size: 200, fields: ["sku", "price"] };
  const walk = json(await client.GET("/api/products/", { params: { query } }));
  check(walk.count === null && walk.next, "a walk is not counted");
  for (const row of walk.results) {
    check(row.sku && row.price && row.name === undefined, "only sku and price");
  }
  const cursor = new URL(walk.next).searchParams.get("cursor");
  check(cursor, "a cursor in next");
  const further = { params: { query: { ...query, cursor } } };
  check(json(await client.GET("/api/products/", further)).results.length > 0, "the walk goes on");
}

async function changeProducts(): Promise<void> {
  const sock = { sku: "TS/1", name: "Typed sock", price: "9.90", currency: "EUR" };
  const created = await client.POST("/api/products/", { body: sock });
  const { id } = data(created);
  const tag = created.response.headers.get("ETag");
  check(tag, "an ETag");
  const address = { path: { id }, header: { "If-Match": tag } };
  const body = { price: "8.90" };
  const changed = await client.PATCH("/api/products/{id}/", { params: address, body });
  check(data(changed).price === "8.90", "the new price");
  problem(await client.PATCH("/api/products/{id}/", { params: address, body }), 412);
  const put = await client.PUT("/api/products/by-sku/{sku}/", {
    params: { path: { sku: "TS/2" } },
    body: { sku: "TS/2", name: "Other sock", price: "7.00" },
  });
  check(put.response.status === 201 && data(put).sku === "TS/2", "created by its SKU");
}

async function sendMany(): Promise<void> {
  const done = data(
    await client.POST("/api/products/bulk/", {
      params: { query: { on_error: "skip" } },
      body: [
        { sku: "TS/1", inventory_count: 50 },
        { sku: "TS/3", name: "Third sock", price: "-1" },
      ],
    }),
  );
  check("counts" in done, "few enough to be answered at once");
  check(done.counts.updated === 1 && done.counts.rejected === 1, "one of two");
  check(done.results[1]?.errors[0]?.pointer === "/1/price", "the wrong value is named");
}

async function sell(): Promise<void> {
  const customer = data(
    await client.POST("/api/customers/", { body: { email: "alan@example.com", first_name: "Alan" } }),
  );
  const order = data(
    await client.POST("/api/orders/", {
      body: { customer: customer.id, lines: [{ sku: "TS/1", quantity: 2 }] },
    }),
  );
  check(order.total_amount === "17.80", "the total");
  const params = { path: { id: order.id } };
  const paid = await client.POST("/api/orders/{id}/transition/", { params, body: { to: "paid" } });
  check(data(paid).payment_status === "paid", "paid");
  const back = await client.POST("/api/orders/{id}/transition/", { params, body: { to: "pending" } });
  const refused = problem(back, 409);
  check(refused.code === "transition_not_allowed" && refused.errors?.[0]?.allowed?.length, "refused");
}

async function bringUpToDate(): Promise<void> {
  const asked = await client.POST("/api/refresh/", { body: { feeds: ["demo"], full: true } });
  const queued = data(asked).runs[0];
  check(asked.response.status === 202 && queued, "accepted");
  const params = { path: { id: queued.id } };
  const deadline = Date.now() + 60_000;
  let run = data(await client.GET("/api/sync-runs/{id}/", { params }));
  while (run.status === "queued" || run.status === "running") {
    check(Date.now() < deadline, "the run takes too long");
    await new Promise((resolve) => setTimeout(resolve, 200));
    run = data(await client.GET("/api/sync-runs/{id}/", { params }));
  }
  const issues = json(await client.GET("/api/sync-runs/{id}/issues/", { params }));
  check(run.status === "partial" && issues.count === run.issues_count, "seven rows rejected");
}

async function exportRows(): Promise<void> {
  const text = data(
    await client.GET("/api/products/", {
      params: { query: { format: "csv", fields: ["sku", "price"], search: "typed" } },
      parseAs: "text",
    }),
  );
  check(String(text).startsWith("sku,price\r\n") && String(text).includes("TS/1,8.90"), "a CSV file");
}

async function meetErrors(): Promise<void> {
  const bad = await client.POST("/api/products/", { body: { sku: "", name: "x", price: "free" } });
  const pointers = problem(bad, 400).errors?.map((error) => error.pointer).sort();
  check(pointers?.join() === "/price,/sku", "both wrong values are named");
  const missing = { params: { path: { id: 1_000_000_000 } } };
  problem(await client.GET("/api/products/{id}/", missing), 404);
}

const refresh = await signIn();
for (const step of [
  readLists,
  changeProducts,
  sendMany,
  sell,
  bringUpToDate,
  exportRows,
  meetErrors,
]) {
  await step();
  console.log(`ok ${step.name}`);
}
data(await client.POST("/api/token/blacklist/", { body: { refresh } }));
problem(await client.POST("/api/token/refresh/", { body: { refresh } }), 401);
console.log("ok signOut");
