// Keeps the page's files for when there is no connection. It never sees a key: of requests to the service it touches
// none but those for these files.

// The build puts the version and the files here.
const VERSION = 'development';
const FILES = [];

const CACHE = `caas-${VERSION}`;
const PAGE = new URL('./', self.registration.scope).href;

const urls = new Set(FILES.map((file) => new URL(file, PAGE).href));

self.addEventListener('install', (event) => {
  event.waitUntil(keep());
});

async function keep() {
  if (FILES.length === 0) return;
  const cache = await caches.open(CACHE);
  const page = new Request(PAGE, { headers: { accept: 'text/html' }, cache: 'no-cache' });
  await cache.addAll([page, ...urls]);
  await self.skipWaiting();
}

self.addEventListener('activate', (event) => {
  event.waitUntil(removeOlder());
});

async function removeOlder() {
  const names = (await caches.keys()).filter((name) => name.startsWith('caas-') && name !== CACHE);
  await Promise.all(names.map((name) => caches.delete(name)));
  await self.clients.claim();
}

self.addEventListener('fetch', (event) => {
  const { request } = event;
  if (request.method !== 'GET') return;
  if (request.mode === 'navigate' && new URL(request.url).pathname === new URL(PAGE).pathname) {
    event.respondWith(fetch(request).catch(() => kept(PAGE)));
  } else if (urls.has(request.url)) {
    event.respondWith(kept(request.url).then((response) => response.ok ? response : fetch(request)));
  }
});

async function kept(url) {
  const response = await caches.match(url, { ignoreVary: true });
  return response ?? Response.error();
}
