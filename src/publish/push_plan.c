#include "publish/push_plan.h"

#include "util/mem.h"

void agenda_release(struct agenda *p)
{
	free(p->steps);
	*p = (struct agenda){ 0 };
}

static enum agenda_action action_for(const struct repository_file *f,
				   const struct survey_item *item, const struct release *release,
				   bool recorded, bool recheck)
{
	if (f->class == REPOSITORY_TIMESTAMP) {
		if (release->state == RELEASE_SAME)
			return AGENDA_KEEP;
		return release->state == RELEASE_NONE ? AGENDA_PUT : AGENDA_REPLACE;
	}
	switch (item->state) {
	case SURVEY_MISSING: return AGENDA_PUT;
	case SURVEY_SIZE:
	case SURVEY_CONTENT: return AGENDA_REPLACE;
	case SURVEY_OK: return AGENDA_KEEP;
	case SURVEY_UNVERIFIED: return recorded && !recheck ? AGENDA_KEEP : AGENDA_CHECK;
	}
	return AGENDA_CHECK;
}

static void count_step(struct agenda *p, const struct agenda_step *s, int sign)
{
	if (s->action == AGENDA_CHECK) {
		p->checks += (size_t)sign;
		p->check_bytes += (uint64_t)sign * s->file->size;
	} else if (s->action == AGENDA_PUT || s->action == AGENDA_REPLACE) {
		p->puts += (size_t)sign;
		p->put_bytes += (uint64_t)sign * s->file->size;
	}
}

void agenda_make(const struct original *t, const bool *wanted, const struct survey_item *items,
	       const struct release *release, const struct record *record, bool recheck,
	       struct agenda *out)
{
	struct agenda p = { .count = t->files.count };
	p.steps = mem_alloc((p.count + 1) * sizeof *p.steps);
	for (size_t i = 0; i < p.count; i++) {
		const struct repository_file *f = &t->files.at[i];
		struct agenda_step *s = &p.steps[i];
		*s = (struct agenda_step){ .file = f };
		if (!wanted[i])
			continue;
		s->found = items[i].state;
		s->stat = items[i].stat;
		bool recorded = s->found == SURVEY_UNVERIFIED &&
				record_vouches(record, f, &s->stat);
		s->action = action_for(f, &items[i], release, recorded, recheck);
		s->recorded = recorded && s->action == AGENDA_KEEP;
		count_step(&p, s, 1);
	}
	*out = p;
}

void agenda_checked(struct agenda *p, struct agenda_step *step, bool ok)
{
	count_step(p, step, -1);
	step->action = ok ? AGENDA_KEEP : AGENDA_REPLACE;
	step->found = ok ? SURVEY_OK : SURVEY_CONTENT;
	count_step(p, step, 1);
}

bool agenda_is_empty(const struct agenda *p)
{
	return !p->puts && !p->checks;
}

const char *agenda_action_name(enum agenda_action a)
{
	static const char *const names[] = { "none", "keep", "check", "put", "replace" };
	return names[a];
}

const char *agenda_reason(const struct agenda_step *step)
{
	static const char *const reasons[] = { "missing", "wrong size", "wrong content",
					       "unverified", "verified" };
	if (step->action == AGENDA_REPLACE && (step->file->class == REPOSITORY_TIMESTAMP ||
					     step->file->class == REPOSITORY_POINTER))
		return "of another release";
	if (step->file->class == REPOSITORY_TIMESTAMP)
		return step->action == AGENDA_KEEP ? "verified" : "missing";
	return step->recorded ? "verified before" : reasons[step->found];
}
