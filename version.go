package reducto

// LibraryVersion is the version of this library, as it stands in the User-Agent
// header.
const LibraryVersion = "0.1.0"
