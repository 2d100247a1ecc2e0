// Package templates carries the texts of which mlb makes HAProxy's configuration, one Go template for each place in it.
// What each is for and which variables it has is in the table render.Templates; every decision belongs in mlb/model.
package templates

import "embed"

// Files holds <NAME>.tmpl for every template.
//
//go:embed *.tmpl
var Files embed.FS
