"""Makes once what tests use: the films, the programs that watch and read.  A test makes what is
missing itself, but within its own time."""
import media
import playlist_readers
import watch


def main():
    for make in media.FILMS:
        make()
    watch.program()
    playlist_readers.install()


if __name__ == "__main__":
    main()
