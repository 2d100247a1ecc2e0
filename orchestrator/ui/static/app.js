// The page: read the apps, show them, and read again when the event stream says that something happened.

const byId = (id) => document.getElementById(id);

/** Events after which the table may look different. */
const events = [
  'api_post_event',
  'status_update_event',
  'health_status_changed_event',
  'app_terminated_event',
  'deployment_info',
  'deployment_success',
  'deployment_failed',
];

const quiet = 150; // ms without an event before reading again
const ceiling = 1000; // but never later than this after the first one
const poll = 30000; // ms between reads without any event

let apps = [];
let waiting = new Map();

async function read(path) {
  const answer = await fetch(path, { headers: { Accept: 'application/json' } });
  const body = await answer.json();
  if (!answer.ok) {
    throw new Error(`${path}: ${body.message}`);
  }
  return body;
}

async function refresh() {
  try {
    const [list, queue] = await Promise.all([
      read('/v2/apps?embed=apps.counts&embed=apps.deployments&embed=apps.lastTaskFailure'),
      read('/v2/queue'),
    ]);
    apps = list.apps;
    waiting = new Map(queue.queue.map((entry) => [entry.app.id, entry]));
    byId('problem').hidden = true;
    render();
  } catch (error) {
    byId('problem').textContent = String(error.message ?? error);
    byId('problem').hidden = false;
  }
}

/** Runs refresh once per burst of calls, never twice at a time. */
const soon = (() => {
  let timer = 0;
  let first = 0;
  let running = false;
  let again = false;
  const run = async () => {
    timer = 0;
    first = 0;
    if (running) {
      again = true;
      return;
    }
    running = true;
    await refresh();
    running = false;
    if (again) {
      again = false;
      call();
    }
  };
  const call = () => {
    const now = Date.now();
    first ||= now;
    clearTimeout(timer);
    timer = setTimeout(run, Math.max(0, Math.min(quiet, first + ceiling - now)));
  };
  return call;
})();

function element(tag, text, className) {
  const e = document.createElement(tag);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  return e;
}

function link(href, text) {
  const a = element('a', text);
  a.href = href;
  return a;
}

function servicePorts(app) {
  const mode = app.networks[0]?.mode ?? 'host';
  const ports =
    mode === 'host'
      ? (app.portDefinitions ?? []).map((p) => p.port)
      : (app.container?.portMappings ?? []).map((p) => p.servicePort);
  return ports.filter((p) => p > 0);
}

function hasChecks(app) {
  return (app.healthChecks ?? []).length > 0;
}

/** One word for an app, and how good it is. */
function stateOf(app) {
  const entry = waiting.get(app.id);
  if (app.tasksUnhealthy > 0) return ['unhealthy', 'bad'];
  if (app.deployments.length > 0) return ['deploying', 'busy'];
  if (entry && !entry.delay.overdue) return [`delayed, ${entry.delay.timeLeftSeconds} s left`, 'bad'];
  if (entry) return ['waiting', 'busy'];
  if (app.instances === 0) return ['stopped', ''];
  if (app.tasksRunning < app.instances) return ['starting', 'busy'];
  if (hasChecks(app) && app.tasksHealthy < app.instances) return ['checking', 'busy'];
  return ['running', 'good'];
}

/** What an owner wants to know when an app is not as it should be. */
function notesOf(app, state) {
  if (state === 'running' || state === 'stopped') return [];
  const notes = [...(waiting.get(app.id)?.explain ?? [])];
  const failure = app.lastTaskFailure;
  if (failure) notes.push(`last failure: ${failure.message}`);
  return notes.slice(0, 4);
}

function row(app) {
  const [state, className] = stateOf(app);
  const tr = document.createElement('tr');
  const name = element('td');
  name.append(link(`/v2/apps${app.id}`, app.id));
  for (const note of notesOf(app, state)) name.append(element('p', note, 'note'));
  const ports = element('td', servicePorts(app).join(', ') || '–', 'number');
  const healthy = hasChecks(app) ? `${app.tasksHealthy}/${app.instances}` : '–';
  tr.append(
    name,
    element('td', `${app.tasksRunning}/${app.instances}`, 'number'),
    element('td', healthy, 'number'),
    ports,
    element('td', state, className),
  );
  return tr;
}

function matches(app, text) {
  if (app.id.includes(text)) return true;
  return Object.entries(app.labels).some(([k, v]) => `${k}=${v}`.toLowerCase().includes(text));
}

function render() {
  const text = byId('filter').value.trim().toLowerCase();
  const shown = apps.filter((app) => matches(app, text));
  byId('apps').replaceChildren(...shown.map(row));
  byId('empty').hidden = apps.length > 0;
  const running = apps.reduce((sum, app) => sum + app.tasksRunning, 0);
  const wanted = apps.reduce((sum, app) => sum + app.instances, 0);
  const found = shown.length === apps.length ? '' : `, ${shown.length} shown`;
  byId('summary').textContent = `${apps.length} apps, ${running} of ${wanted} instances running${found}`;
}

function follow() {
  const types = events.map((e) => `event_type=${e}`).join('&');
  const source = new EventSource(`/v2/events?${types}`);
  const live = byId('live');
  source.onopen = () => {
    live.textContent = 'live';
    live.classList.add('on');
    soon(); // what happened while nobody listened
  };
  source.onerror = () => {
    live.textContent = 'reconnecting';
    live.classList.remove('on');
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  };
  for (const type of events) source.addEventListener(type, soon);
}

byId('filter').addEventListener('input', render);
setInterval(soon, poll);
soon();
follow();
