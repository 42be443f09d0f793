package listen

// Marks returns the jobs that a file remembers, by their states.
func Marks(path string) (map[string]string, error) {
	s, err := openState(path)
	if err != nil {
		return nil, err
	}
	defer s.close()
	marks := map[string]string{}
	for job, m := range s.marks {
		marks[job] = string(m.kind)
	}
	return marks, nil
}
