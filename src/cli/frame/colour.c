#include "cli/frame/colour.h"

#include "cli/frame/output.h"
#include "util/text.h"

#include <stdlib.h>
#include <string.h>

/* As terminfo names terminals without colours. */
static bool is_plain(const char *term)
{
	return !*term || !strcmp(term, "dumb") || !strcmp(term, "emacs") ||
	       str_starts(term, "vt1") || str_starts(term, "vt2") || str_starts(term, "vt52") ||
	       str_ends(term, "-m") || str_ends(term, "-mono");
}

bool cli_has_colour(FILE *out)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
	return cli_terminal_width(out) && !(no && *no) && term && !is_plain(term);
}

const char *cli_colour(bool on, enum cli_colour c)
{
	static const char *const sequences[] = {
		[COLOUR_NONE] = "",
		[COLOUR_BAD] = "\033[1;31m",
		[COLOUR_WARN] = "\033[33m",
		[COLOUR_GOOD] = "\033[32m",
	};
	return on ? sequences[c] : "";
}

const char *cli_colour_end(bool on, enum cli_colour c)
{
	return on && c != COLOUR_NONE ? "\033[m" : "";
}

enum cli_colour cli_colour_of_state(const char *state)
{
	if (!*state)
		return COLOUR_NONE;
	return !strcmp(state, "banned") || !strcmp(state, "failed") ? COLOUR_BAD : COLOUR_WARN;
}
