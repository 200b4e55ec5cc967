#include "publish/push_sending.h"

bool push_sending_has(const struct push_sending *s, const struct repository_file *f)
{
	for (size_t i = 0; i < THREADS_MAX; i++)
		if (s->at[i] && digest_equal(&s->at[i]->sha256, &f->sha256))
			return true;
	return false;
}

static void replace(struct push_sending *s, const struct repository_file *old,
		    const struct repository_file *new)
{
	for (size_t i = 0; i < THREADS_MAX; i++)
		if (s->at[i] == old) {
			s->at[i] = new;
			return;
		}
}

void push_sending_add(struct push_sending *s, const struct repository_file *f)
{
	replace(s, NULL, f);
}

void push_sending_remove(struct push_sending *s, const struct repository_file *f)
{
	replace(s, f, NULL);
}
