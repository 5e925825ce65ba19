"""Makes once what tests use: the films and npm's readers of playlists.  A test makes what is
missing itself, but within its own time."""
import media
import playlist_readers


def main():
    for make in media.FILMS:
        make()
    playlist_readers.install()


if __name__ == "__main__":
    main()
