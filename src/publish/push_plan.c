#include "publish/push_plan.h"

#include "util/mem.h"

void push_plan_release(struct push_plan *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->steps[i].error);
	free(p->steps);
	*p = (struct push_plan){ 0 };
}

static enum push_action action_for(const struct repository_file *f, const struct release *release,
				   const struct push_step *step, bool recheck)
{
	if (f->class == REPOSITORY_TIMESTAMP) {
		if (release->state == RELEASE_SAME)
			return STEP_KEEP;
		return release->state == RELEASE_NONE ? STEP_PUT : STEP_REPLACE;
	}
	switch (step->found) {
	case INVENTORY_MISSING:
		return STEP_PUT;
	case INVENTORY_SIZE:
	case INVENTORY_CONTENT:
		return STEP_REPLACE;
	case INVENTORY_OK:
		/* The digest may be what another client uploaded with the object. */
		return step->wrong || step->changed ? STEP_CHECK : STEP_KEEP;
	case INVENTORY_UNVERIFIED:
		return step->recorded && !recheck ? STEP_KEEP : STEP_CHECK;
	}
	return STEP_CHECK;
}

static void count_step(struct push_plan *p, const struct push_step *s, int sign)
{
	if (s->action == STEP_CHECK) {
		p->checks += (size_t)sign;
		p->check_bytes += (uint64_t)sign * s->file->size;
	} else if (s->action == STEP_PUT || s->action == STEP_REPLACE) {
		p->puts += (size_t)sign;
		p->put_bytes += (uint64_t)sign * s->file->size;
	}
}

void push_plan_make(const struct tree *t, const bool *wanted, const struct inventory_item *items,
		    const struct release *release, const struct verified *record, bool recheck,
		    struct push_plan *out)
{
	struct push_plan p = { .count = t->files.count };
	p.steps = mem_alloc((p.count + 1) * sizeof *p.steps);
	for (size_t i = 0; i < p.count; i++) {
		const struct repository_file *f = &t->files.at[i];
		struct push_step *s = &p.steps[i];
		*s = (struct push_step){ .file = f };
		if (!wanted[i])
			continue;
		s->found = items[i].state;
		s->stat = items[i].stat;
		s->wrong = verified_is_wrong(record, f);
		s->changed = verified_is_changed(record, f, &s->stat);
		s->recorded = s->found == INVENTORY_UNVERIFIED &&
			      verified_vouches(record, f, &s->stat);
		s->action = action_for(f, release, s, recheck);
		s->recorded = s->recorded && s->action == STEP_KEEP;
		s->asked = items[i].asked && s->found == INVENTORY_OK && s->action == STEP_KEEP;
		count_step(&p, s, 1);
	}
	*out = p;
}

void push_plan_checked(struct push_plan *p, struct push_step *step, bool ok)
{
	count_step(p, step, -1);
	step->action = ok ? STEP_KEEP : STEP_REPLACE;
	step->found = ok ? INVENTORY_OK : INVENTORY_CONTENT;
	count_step(p, step, 1);
}

void push_plan_leave_out(struct push_plan *p, struct push_step *step)
{
	bool something = step->action != STEP_NONE && step->action != STEP_KEEP;
	count_step(p, step, -1);
	step->action = STEP_NONE;
	p->left_out += something;
}

size_t push_plan_left(const struct push_plan *p, uint64_t *bytes)
{
	size_t files = 0;
	*bytes = 0;
	for (size_t i = 0; i < p->count; i++) {
		const struct push_step *s = &p->steps[i];
		if (s->done || s->action == STEP_NONE || s->action == STEP_KEEP)
			continue;
		files++;
		*bytes += s->file->size;
	}
	return files;
}

uint64_t push_plan_requests_to_put(uint64_t size)
{
	struct err ignored = ERR_INIT;
	struct grid g;
	return grid_for(size, &g, &ignored) < 0 || g.count <= 1 ? 1 : g.count + 3;
}

uint64_t push_plan_requests(const struct push_plan *p)
{
	uint64_t n = 0;
	for (size_t i = 0; i < p->count; i++) {
		const struct push_step *s = &p->steps[i];
		if (s->action == STEP_CHECK)
			n++;
		else if (s->action == STEP_PUT || s->action == STEP_REPLACE)
			n += push_plan_requests_to_put(s->file->size);
	}
	return n;
}

bool push_plan_is_empty(const struct push_plan *p)
{
	return !p->puts && !p->checks;
}

const char *push_action_name(enum push_action a)
{
	static const char *const names[] = { "none", "keep", "check", "put", "replace" };
	return names[a];
}

const char *push_step_reason(const struct push_step *step)
{
	static const char *const reasons[] = { "missing", "wrong size", "wrong content",
					       "unverified", "verified" };
	if (step->action == STEP_REPLACE &&
	    (step->file->class == REPOSITORY_TIMESTAMP || step->file->class == REPOSITORY_POINTER))
		return "of another release";
	if (step->file->class == REPOSITORY_TIMESTAMP)
		return step->action == STEP_KEEP ? "verified" : "missing";
	if (step->action == STEP_CHECK && step->wrong)
		return "recorded as wrong";
	if (step->action == STEP_CHECK && step->changed && step->found == INVENTORY_OK)
		return "changed since it was verified";
	return step->recorded ? "verified before" : reasons[step->found];
}
