/* A small model of a terminal: what a person sees after the program wrote all this. */
#ifndef FERRY_TESTS_SCREEN_H
#define FERRY_TESTS_SCREEN_H

#include <stddef.h>

#define SCREEN_ROWS 64
#define SCREEN_COLUMNS 256

struct screen {
	size_t columns, row, column;
	int rows[SCREEN_ROWS][SCREEN_COLUMNS]; /* characters; 0: blank; -1: right half of the one
						  before */
	char colour[16];                       /* that is in force: "1;31", or "" */
};
void screen_init(struct screen *s, size_t columns);
/* Printable characters, \r, \n, and the sequences A, J, K and m. A test fails for any other, and
 * when a line would be wrapped. */
void screen_write(struct screen *s, const char *text, size_t len);
/* Its lines without blanks at their ends, up to the last that is not empty, each with a newline.
 * The caller frees. */
char *screen_text(const struct screen *s);

#endif
