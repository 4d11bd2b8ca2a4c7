package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// A bom is a bill of materials: the part of CycloneDX 1.6 that we have something to say in.
type bom struct {
	Format       string       `json:"bomFormat"`
	SpecVersion  string       `json:"specVersion"`
	SerialNumber string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp"`
	Component component `json:"component"`
}

type component struct {
	Type       string          `json:"type"`
	Ref        string          `json:"bom-ref"`
	Name       string          `json:"name"`
	Version    string          `json:"version"`
	Hashes     []hash          `json:"hashes,omitempty"`
	Licences   []licenceChoice `json:"licenses"`
	PURL       string          `json:"purl"`
	Properties []property      `json:"properties,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type licenceChoice struct {
	Licence struct {
		ID string `json:"id"`
	} `json:"license"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn"`
}

// cycloneDX makes the bill. Its number follows from the binary, so that equal binaries
// have equal bills.
func (c *contents) cycloneDX() bom {
	id := sha256.Sum256(append([]byte("bill "+c.version+" "), c.sum[:]...))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // RFC 9562 section 5.8
	program := c.component("application", ours+"/cmd/saslkit", c.version, c.sum[:], c.own)
	for _, s := range c.build {
		program.Properties = append(program.Properties, property{"go:" + s.Key, s.Value})
	}
	b := bom{
		Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		SerialNumber: fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16]),
		Metadata:     metadata{c.made.Format(time.RFC3339), program},
	}
	for _, path := range c.parts {
		b.Components = append(b.Components, c.component("library", path, c.version, nil, c.own))
	}
	for _, m := range c.modules {
		b.Components = append(b.Components, c.component("library", m.path, m.version, m.sum, m.licence))
	}
	all := dependency{Ref: program.Ref}
	for _, part := range b.Components {
		all.DependsOn = append(all.DependsOn, part.Ref)
	}
	b.Dependencies = []dependency{all}
	return b
}

// component describes one. The hash of a module is that of go.sum, over its files and
// their names, in the place where other makers of such bills have it.
func (c *contents) component(kind, path, version string, sum []byte, l licence) component {
	var choice licenceChoice
	choice.Licence.ID = l.id
	// In a package URL "+", of +incompatible and our +dirty, is a space.
	purl := "pkg:golang/" + path + "@" + strings.ReplaceAll(version, "+", "%2B")
	part := component{Type: kind, Ref: purl, Name: path, Version: version, PURL: purl, Licences: []licenceChoice{choice}}
	if sum != nil {
		part.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum)}}
	}
	return part
}
