#include "serve/cache/fleet.h"

#include "util/mem.h"
#include "util/os.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* Another edge, as it is seen from here. */
struct member {
	struct peer *peer;
	const struct source *source;
	bool there; /* it answered that it has the object, or is fetching it */
	struct peers_have have;
	uint64_t said_ms;  /* when it answered last */
	uint32_t count;    /* of the pieces that it has */
	uint64_t moved_ms; /* when that number grew last */
	bool still;        /* that was too long ago */
};

struct fleet {
	struct fleet_what what;
	struct peers_asker *asker;
	pthread_t thread;
	bool runs;
	_Atomic bool over;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t ended;
	struct member at[PEERS_MAX];
	size_t count;
	uint64_t began_ms, landed_ms;
	bool landed;                   /* something has come in this run */
	bool leaves;                   /* a reader waits for a piece that another edge fetches; */
	bool hurry;                    /* the same, since they were asked last */
	unsigned char here[PEERS_MAP]; /* as peers_have.have */
	uint32_t gap;                  /* the first piece that nobody has, */
	uint64_t gap_ms;               /* and since when that is */
	uint64_t *wanted_ms; /* of each piece: since when it is waited for; 0: it is not */
};

/* Finalizer of splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators). */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

uint64_t fleet_weight(uint64_t edge, const struct digest *sha256, uint32_t piece)
{
	uint64_t object;
	memcpy(&object, sha256->bytes, sizeof object);
	return mix(mix(edge) ^ mix(object + 0x9e3779b97f4a7c15 * (piece + 1ULL)));
}

/* -- asking ------------------------------------------------------------------------------------ */

static uint32_t count_bits(const struct peers_have *h)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < h->count; i++)
		n += peers_bit(h->have, i);
	return n;
}

static bool is_somewhere(const struct fleet *s, uint32_t piece)
{
	bool is = peers_bit(s->here, piece);
	for (size_t i = 0; !is && i < s->count; i++)
		is = s->at[i].there && peers_bit(s->at[i].have.have, piece);
	return is;
}

/* With the lock. */
static void move_gap(struct fleet *s, uint64_t now_ms)
{
	uint32_t before = s->gap;
	while (s->gap < s->what.grid.count && is_somewhere(s, s->gap))
		s->gap++;
	if (s->gap != before)
		s->gap_ms = now_ms;
}

/* With the lock. */
static void take(struct fleet *s, struct member *m, enum peers_answer answer,
		 const struct peers_have *have)
{
	uint64_t now_ms = clock_now_ms(s->what.clock);
	bool answers = answer == PEERS_ANSWER;
	bool busy = answer == PEERS_SILENT && m->there && now_ms - m->said_ms < FLEET_SILENT_MS;
	uint32_t count = answers ? count_bits(have) : busy ? m->count : 0;
	if (answers && (!m->there || count > m->count))
		m->moved_ms = now_ms;
	m->there = answers || busy;
	m->count = count;
	if (answers) {
		m->have = *have;
		m->said_ms = now_ms;
	}
	move_gap(s, now_ms);
	m->still = count < s->what.grid.count && now_ms - m->moved_ms > FLEET_STILL_MS;
}

static void ask_all(struct fleet *s)
{
	for (size_t i = 0; i < s->count && !atomic_load(&s->over); i++) {
		struct peers_have have;
		enum peers_answer answer = peers_ask(s->asker, s->at[i].peer, &s->what.sha256,
						     s->what.grid.count, &have);
		pthread_mutex_lock(&s->lock);
		take(s, &s->at[i], answer, &have);
		pthread_mutex_unlock(&s->lock);
	}
}

static void *keep_asking(void *arg)
{
	struct fleet *s = arg;
	while (!atomic_load(&s->over)) {
		pthread_mutex_lock(&s->lock);
		size_t ms = s->hurry ? s->count * FLEET_ASK_SOON_MS : FLEET_ASK_MS;
		s->hurry = false;
		if (!atomic_load(&s->over))
			os_cond_wait(&s->ended, &s->lock, (unsigned)MIN(ms, FLEET_ASK_MS));
		pthread_mutex_unlock(&s->lock);
		ask_all(s);
	}
	return NULL;
}

static void find_members(struct fleet *s)
{
	const struct source_list *l = s->what.sources;
	for (size_t i = 0; i < l->count && s->count < PEERS_MAX; i++) {
		struct peer *x = l->at[i]->objects ? peers_of(s->what.peers, l->at[i]) : NULL;
		if (x)
			s->at[s->count++] = (struct member){ .peer = x, .source = l->at[i] };
	}
}

struct fleet *fleet_begin(const struct fleet_what *w)
{
	if (!w->peers || w->grid.size < FLEET_LEAST)
		return NULL;
	struct fleet *s = NEW(struct fleet);
	s->what = *w;
	find_members(s);
	if (!s->count) {
		free(s);
		return NULL;
	}
	pthread_mutex_init(&s->lock, NULL);
	os_cond_init(&s->ended);
	s->asker = peers_asker_new(w->peers);
	s->wanted_ms = mem_alloc((w->grid.count + 1) * sizeof *s->wanted_ms);
	s->began_ms = s->gap_ms = s->landed_ms = clock_now_ms(w->clock);
	ask_all(s);
	s->runs = pthread_create(&s->thread, NULL, keep_asking, s) == 0;
	return s;
}

void fleet_end(struct fleet *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	atomic_store(&s->over, true);
	pthread_cond_broadcast(&s->ended);
	pthread_mutex_unlock(&s->lock);
	if (s->runs)
		pthread_join(s->thread, NULL);
	peers_asker_free(s->asker);
	pthread_cond_destroy(&s->ended);
	pthread_mutex_destroy(&s->lock);
	free(s->wanted_ms);
	free(s);
}

void fleet_landed(struct fleet *s, uint32_t piece)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->landed_ms = clock_now_ms(s->what.clock);
	s->landed = true;
	s->here[piece / 8] |= 0x80 >> piece % 8;
	move_gap(s, s->landed_ms);
	pthread_mutex_unlock(&s->lock);
}

/* -- deciding; with the lock ------------------------------------------------------------------- */

/* It can be asked, and has not failed in this run. */
static bool is_useful(const struct fleet *s, const struct member *m)
{
	const struct source *x = m->source;
	return m->there && !x->banned && !x->given_up && !x->failures &&
	       !x->faults[FAULT_MISSING] && !x->faults[FAULT_REFUSED] &&
	       !x->faults[FAULT_UNUSABLE] && x->not_before_ms <= clock_now_ms(s->what.clock);
}

static bool is_fetching(const struct fleet *s, const struct member *m)
{
	return is_useful(s, m) && !m->still;
}

/* How many edges come before this one in the order of a piece. */
static uint64_t rank(const struct fleet *s, uint32_t piece)
{
	const struct digest *d = &s->what.sha256;
	uint64_t own = fleet_weight(peers_self(s->what.peers), d, piece), before = 0;
	for (size_t i = 0; i < s->count; i++)
		before += is_fetching(s, &s->at[i]) &&
			  fleet_weight(s->at[i].have.edge, d, piece) > own;
	return before;
}

/* Does another edge have it, or is it on its way there? */
static bool is_elsewhere(const struct fleet *s, uint32_t piece)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct member *m = &s->at[i];
		if (is_useful(s, m) && peers_bit(m->have.have, piece))
			return true;
		if (is_fetching(s, m) && peers_bit(m->have.flying, piece))
			return true;
	}
	return false;
}

/* The first piece that somebody waits for gets the whole line. */
static bool leaves_line(const struct fleet *s, uint64_t now_ms)
{
	if (!s->leaves || s->landed || now_ms - s->began_ms >= FLEET_FIRST_MS)
		return false;
	for (size_t i = 0; i < s->count; i++)
		if (s->at[i].there && s->at[i].count)
			return false;
	return true;
}

static bool is_far_ahead(const struct fleet *s, uint32_t piece, uint64_t now_ms)
{
	uint64_t edges = 1;
	for (size_t i = 0; i < s->count; i++)
		edges += is_fetching(s, &s->at[i]);
	return edges > 1 && piece >= s->gap + edges * FLEET_AHEAD &&
	       now_ms - s->gap_ms < FLEET_GAP_MS;
}

static bool is_own(struct fleet *s, uint32_t piece, bool wanted, uint64_t now_ms)
{
	if (now_ms - s->landed_ms > FLEET_STILL_MS)
		return true;
	bool elsewhere = is_elsewhere(s, piece);
	uint64_t before = rank(s, piece);
	bool theirs = wanted && (elsewhere || before);
	s->leaves |= theirs;
	s->hurry |= theirs;
	if (elsewhere)
		return false;
	if (!wanted)
		return !before && !leaves_line(s, now_ms) && !is_far_ahead(s, piece, now_ms);
	if (!before)
		return true;
	if (!s->wanted_ms[piece])
		s->wanted_ms[piece] = MAX(1, now_ms);
	return now_ms - s->wanted_ms[piece] >= before * FLEET_TURN_MS;
}

static bool has(const struct fleet *s, const struct source *from, uint32_t piece)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->at[i].source == from)
			return s->at[i].there && peers_bit(s->at[i].have.have, piece);
	return false;
}

bool fleet_may(struct fleet *s, const struct source *from, uint32_t piece, bool wanted)
{
	if (!s)
		return !from->peer;
	pthread_mutex_lock(&s->lock);
	bool may = from->peer ? has(s, from, piece)
			      : is_own(s, piece, wanted, clock_now_ms(s->what.clock));
	pthread_mutex_unlock(&s->lock);
	return may;
}
