"""The order of the rooms of src/, from the file `rooms` beside this one."""

import pathlib


class House:
    def __init__(self, path):
        self.rank = {}
        rank = 0
        for line in pathlib.Path(path).read_text().splitlines():
            if not line.strip():
                rank += 1
            elif not line.startswith("#"):
                self.rank[line.split()[0]] = rank

    def room(self, name):
        """The room of a file named from src/, or None: the longest folder that has a line."""
        for folder in pathlib.PurePosixPath(name).parents:
            if folder.as_posix() in self.rank:
                return folder.as_posix()
        return None

    def may_use(self, user, used):
        """May a file of the room `user` use one of the room `used`?"""
        return user == used or self.rank[used] < self.rank[user]
