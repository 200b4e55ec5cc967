/*
 * Colour, where the terminal has it: only for what a person must not miss (errors, warnings, a
 * mirror that is slow or banned) and for what is finished.
 */
#ifndef FERRY_CLI_FRAME_COLOUR_H
#define FERRY_CLI_FRAME_COLOUR_H

#include "util/buf.h"

#include <stdio.h>

enum cli_colour { COLOUR_NONE, COLOUR_BAD, COLOUR_WARN, COLOUR_GOOD };

/* A terminal with colours, on which the person wants them: the variable NO_COLOR is not set, or
 * empty (https://no-color.org). */
bool cli_has_colour(FILE *out);
/* The sequence that begins the colour, and the one that ends it; "" if `on` is false, or for
 * COLOUR_NONE. */
const char *cli_colour(bool on, enum cli_colour c);
const char *cli_colour_end(bool on, enum cli_colour c);
/* For the state of a mirror. */
enum cli_colour cli_colour_of_state(const char *state);

#endif
