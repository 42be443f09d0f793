// Package browser tests the library's HTML pages in a headless Chromium.
package browser
