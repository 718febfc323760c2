// A registry as real ones are, in memory, for charts and artifacts: Helm pushes to it, and what Bowline fetches from it
// must be what Helm fetches.
//
// Prints its address, and ends with its standard input. With two arguments, a name and a password, it asks for them.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	_ "github.com/distribution/distribution/v3/registry/auth/htpasswd"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/inmemory"
	"golang.org/x/crypto/bcrypt"
)

// users writes the file of the one who may come in.
func users() string {
	hash, err := bcrypt.GenerateFromPassword([]byte(os.Args[2]), bcrypt.MinCost)
	if err != nil {
		panic(err)
	}
	file, err := os.CreateTemp("", "users")
	if err != nil {
		panic(err)
	}
	defer file.Close()
	if _, err := fmt.Fprintf(file, "%s:%s\n", os.Args[1], hash); err != nil {
		panic(err)
	}
	return file.Name()
}

func main() {
	config := &configuration.Configuration{
		Storage: configuration.Storage{"inmemory": configuration.Parameters{}},
		Catalog: configuration.Catalog{MaxEntries: 1000},
	}
	config.Log.Level = "error"
	if len(os.Args) > 2 {
		config.Auth = configuration.Auth{"htpasswd": configuration.Parameters{"realm": "charts", "path": users()}}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	panic(http.Serve(listener, handlers.NewApp(context.Background(), config)))
}
