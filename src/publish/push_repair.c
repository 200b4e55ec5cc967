#include "publish/push_repair.h"

static bool lacks_nothing_else(const struct push_plan *p)
{
	for (size_t i = 0; i < p->count; i++)
		if (p->steps[i].action == STEP_PUT &&
		    p->steps[i].file->class != REPOSITORY_TIMESTAMP)
			return false;
	return p->count > 0;
}

static bool shows_ours(const struct push_mirror *m)
{
	if (m->error.class || m->holds == MIRROR_HOLDS_OBJECTS)
		return false;
	return m->before.state == RELEASE_SAME ||
	       (m->before.state == RELEASE_DAMAGED && lacks_nothing_else(&m->plan));
}

/* Catalog and timestamp of another release are different, but not wrong. */
static bool may_be_new(const struct push_step *s)
{
	return s->action == STEP_PUT || s->file->class == REPOSITORY_POINTER ||
	       s->file->class == REPOSITORY_TIMESTAMP;
}

void push_repair_limit(struct push_mirror *mirrors, size_t count)
{
	bool published = false;
	for (size_t i = 0; i < count; i++)
		published = published || shows_ours(&mirrors[i]);
	for (size_t i = 0; i < count; i++) {
		struct push_mirror *m = &mirrors[i];
		bool ours = m->holds == MIRROR_HOLDS_OBJECTS ? published : shows_ours(m);
		for (size_t k = 0; !ours && k < m->plan.count; k++)
			if (may_be_new(&m->plan.steps[k]))
				push_plan_leave_out(&m->plan, &m->plan.steps[k]);
	}
}
