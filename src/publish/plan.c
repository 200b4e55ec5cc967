#include "publish/plan.h"

#include "util/mem.h"

void plan_release(struct plan *p)
{
	free(p->steps);
	*p = (struct plan){ 0 };
}

static enum plan_action action_for(const struct repository_file *f,
				   const struct survey_item *item, const struct release *release,
				   bool recorded, bool recheck)
{
	if (f->class == REPOSITORY_TIMESTAMP) {
		if (release->state == RELEASE_SAME)
			return PLAN_KEEP;
		return release->state == RELEASE_NONE ? PLAN_PUT : PLAN_REPLACE;
	}
	switch (item->state) {
	case SURVEY_MISSING: return PLAN_PUT;
	case SURVEY_SIZE:
	case SURVEY_CONTENT: return PLAN_REPLACE;
	case SURVEY_OK: return PLAN_KEEP;
	case SURVEY_UNVERIFIED: return recorded && !recheck ? PLAN_KEEP : PLAN_CHECK;
	}
	return PLAN_CHECK;
}

static void count_step(struct plan *p, const struct plan_step *s, int sign)
{
	if (s->action == PLAN_CHECK) {
		p->checks += (size_t)sign;
		p->check_bytes += (uint64_t)sign * s->file->size;
	} else if (s->action == PLAN_PUT || s->action == PLAN_REPLACE) {
		p->puts += (size_t)sign;
		p->put_bytes += (uint64_t)sign * s->file->size;
	}
}

void plan_make(const struct original *t, const bool *wanted, const struct survey_item *items,
	       const struct release *release, const struct record *record, bool recheck,
	       struct plan *out)
{
	struct plan p = { .count = t->files.count };
	p.steps = mem_alloc((p.count + 1) * sizeof *p.steps);
	for (size_t i = 0; i < p.count; i++) {
		const struct repository_file *f = &t->files.at[i];
		struct plan_step *s = &p.steps[i];
		*s = (struct plan_step){ .file = f };
		if (!wanted[i])
			continue;
		s->found = items[i].state;
		s->stat = items[i].stat;
		bool recorded = s->found == SURVEY_UNVERIFIED &&
				record_vouches(record, f, &s->stat);
		s->action = action_for(f, &items[i], release, recorded, recheck);
		s->recorded = recorded && s->action == PLAN_KEEP;
		count_step(&p, s, 1);
	}
	*out = p;
}

void plan_checked(struct plan *p, struct plan_step *step, bool ok)
{
	count_step(p, step, -1);
	step->action = ok ? PLAN_KEEP : PLAN_REPLACE;
	step->found = ok ? SURVEY_OK : SURVEY_CONTENT;
	count_step(p, step, 1);
}

bool plan_is_empty(const struct plan *p)
{
	return !p->puts && !p->checks;
}

const char *plan_action_name(enum plan_action a)
{
	static const char *const names[] = { "none", "keep", "check", "put", "replace" };
	return names[a];
}

const char *plan_reason(const struct plan_step *step)
{
	static const char *const reasons[] = { "missing", "wrong size", "wrong content",
					       "unverified", "verified" };
	if (step->action == PLAN_REPLACE && (step->file->class == REPOSITORY_TIMESTAMP ||
					     step->file->class == REPOSITORY_POINTER))
		return "of another release";
	if (step->file->class == REPOSITORY_TIMESTAMP)
		return step->action == PLAN_KEEP ? "verified" : "missing";
	return step->recorded ? "verified before" : reasons[step->found];
}
