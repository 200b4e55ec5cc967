#include "auth/tokens.h"

#include "auth/who.h"
#include "util/mem.h"

#include <pthread.h>

#define SLOTS 1024

struct slot {
	struct digest sha256;
	uint64_t generation;
	int64_t expires_s; /* 0: empty */
	struct auth_who who;
};

struct auth_tokens {
	pthread_mutex_t lock;
	struct slot slots[SLOTS];
};

struct auth_tokens *auth_tokens_new(void)
{
	struct auth_tokens *t = NEW(struct auth_tokens);
	pthread_mutex_init(&t->lock, NULL);
	return t;
}

void auth_tokens_free(struct auth_tokens *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		auth_who_release(&t->slots[i].who);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

static struct slot *slot_of(struct auth_tokens *t, const struct digest *sha256)
{
	return &t->slots[(sha256->bytes[0] | sha256->bytes[1] << 8) % SLOTS];
}

bool auth_tokens_find(struct auth_tokens *t, const struct digest *sha256, uint64_t generation,
		      int64_t now_s, struct auth_who *out)
{
	struct slot *s = slot_of(t, sha256);
	pthread_mutex_lock(&t->lock);
	bool found = s->generation == generation && now_s < s->expires_s &&
		     digest_equal(&s->sha256, sha256);
	if (found)
		auth_who_copy(&s->who, out);
	pthread_mutex_unlock(&t->lock);
	return found;
}

void auth_tokens_add(struct auth_tokens *t, const struct digest *sha256, uint64_t generation,
		     int64_t expires_s, const struct auth_who *who)
{
	struct slot new = { .sha256 = *sha256, .generation = generation, .expires_s = expires_s };
	auth_who_copy(who, &new.who);
	pthread_mutex_lock(&t->lock);
	struct slot *s = slot_of(t, sha256), old = *s;
	*s = new;
	pthread_mutex_unlock(&t->lock);
	auth_who_release(&old.who);
}
