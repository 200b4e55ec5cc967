/* The main() of every command, compiled once for each, with COMMAND=cmd_<name>. */
#include "cli/frame/cli.h"

extern const struct command COMMAND;

int main(int argc, char **argv)
{
	return cli_main(&COMMAND, argc, argv);
}
