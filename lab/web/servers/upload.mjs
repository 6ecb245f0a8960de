// Takes uploads: whole files by POST /photo, parts of one by PUT /video/ID?part=N. Answers with what arrived.

export async function uploadHandler(request, response) {
  let bytes = 0;
  for await (const part of request) bytes += part.length;
  response.writeHead(201, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ id: Math.random().toString(36).slice(2), bytes, at: Date.now() }));
}
