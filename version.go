package reducto

// LibraryVersion is the version of this library. The User-Agent header contains it.
const LibraryVersion = "0.1.0"
