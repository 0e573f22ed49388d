package segment

import "os"

// OnSync has a function called in place of syncing a file or a directory.
func (d *Dir) OnSync(sync func(*os.File) error) { d.sync = sync }

// OnOpened has a function called once a file has been opened for reading, before others may read from it.
func (d *Dir) OnOpened(opened func()) {
	d.handles.openFile = func(path string) (*os.File, error) {
		f, err := os.Open(path)
		opened()
		return f, err
	}
}
