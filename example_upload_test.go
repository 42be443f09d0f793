package reducto_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/reducto-go/reducto"
	"github.com/reducto-go/reducto/reductotest"
)

func ExampleClient_Upload() {
	srv, err := reductotest.Start(reductotest.WithProcessingTime(0)) // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client() // yours: reducto.NewClient()

	ctx := context.Background()
	body := strings.NewReader("any io.Reader: a file, a request's body, an object in storage")
	upload, err := client.Upload(ctx, "letter.txt", body, reducto.UploadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	job, err := client.ParseAsync(ctx, reducto.ParseRequest{Input: reducto.FromUpload(upload)})
	if err != nil {
		log.Fatal(err)
	}
	result, err := job.Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	chunks, err := result.Load(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(upload.Size, chunks[0].Content)
	// Output: 61 any io.Reader: a file, a request's body, an object in storage
}

func ExampleClient_UploadFile() {
	srv, err := reductotest.Start() // a Reducto in this process
	if err != nil {
		log.Fatal(err)
	}
	defer srv.Close()
	client := srv.Client() // yours: reducto.NewClient()

	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "letter.txt")
	if err := os.WriteFile(path, []byte("Dear all"), 0o600); err != nil {
		log.Fatal(err)
	}

	upload, err := client.UploadFile(context.Background(), path, reducto.UploadOptions{
		Progress: func(sent, total int64) { fmt.Printf("%d of %d bytes\n", sent, total) },
	})
	switch {
	case errors.Is(err, reducto.ErrEmptyUpload), errors.Is(err, reducto.ErrUploadTooLarge):
		log.Fatal("nothing was sent: ", err)
	case err != nil:
		log.Fatal(err)
	}
	fmt.Println(strings.HasPrefix(upload.FileID, "reducto://"))
	// Output:
	// 8 of 8 bytes
	// true
}
