"""A program in a terminal of its own: keys in, screen out.

    terminal = Terminal(home, "neomutt -n -F rc", {"HOME": home})
    terminal.keys("q")
    terminal.see("Quit")
"""

import os
import subprocess

from roost_server import need, wait_for

TMUX = need("tmux", "tmux")


class Terminal:
    def __init__(self, folder, command, env):
        self.socket = os.path.join(folder, "tmux")
        env = {"TERM": "screen", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"],
               "TMPDIR": folder, **env}
        # What the program wrote last stays on the screen when it has ended.
        subprocess.run([TMUX, "-S", self.socket, "-f", "/dev/null", "new-session", "-d", "-x", "100",
                        "-y", "30", command + "; code=$?; echo; echo ended: $code; read line"], check=True, env=env)

    def screen(self):
        return subprocess.run([TMUX, "-S", self.socket, "capture-pane", "-p"], check=True,
                              capture_output=True, text=True).stdout

    def see(self, *texts):
        """Wait until all of them are on the screen."""
        wait_for(lambda: all(text in self.screen() for text in texts),
                 lambda: "%r on\n%s" % (texts, self.screen()))

    def see_no(self, text):
        wait_for(lambda: text not in self.screen(), lambda: "%r gone from\n%s" % (text, self.screen()))

    def keys(self, *keys):
        """Names of keys ("Enter", "C-u") or texts to type."""
        subprocess.run([TMUX, "-S", self.socket, "send-keys", *keys], check=True)

    def close(self):
        subprocess.run([TMUX, "-S", self.socket, "kill-server"], capture_output=True, check=False)
