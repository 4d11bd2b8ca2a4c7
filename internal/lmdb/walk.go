package lmdb

import (
	"bytes"
	"cmp"

	"github.com/saslkit/saslkit/internal/dbm"
)

// A walk goes through trees. It visits a page once, whatever leads there, so that
// all walking together is bounded by the pages of the file.
type walk struct {
	*File
	used   dbm.Set // what was reached
	again  dbm.Set // what was reached more than once
	faults dbm.Faults
	brief  bool // one fault is enough
	levels [maxDepth + 1][]node
}

func (f *File) newWalk() *walk {
	w := &walk{File: f, used: dbm.NewSet(f.pages), again: dbm.NewSet(f.pages)}
	if f.broken != nil {
		w.faults.Add(f.broken)
	}
	return w
}

// done reports whether going on would tell nothing more.
func (w *walk) done() bool { return w.brief && w.faults.Len() > 0 }

// claim marks pages as reached. It answers false if one was reached before.
func (w *walk) claim(r run) bool {
	first := true
	for i := range r.pages {
		if !w.used.Add(r.first + i) {
			w.again.Add(r.first + i)
			first = false
		}
	}
	return first
}

// A treeWalk goes through one tree, which checkTree found in order.
type treeWalk struct {
	*walk
	depth   int
	met     tree // what there is, counted as the record counts
	compare func(a, b []byte) int
	leaf    func(node)
}

// tree calls leaf for each node of the sound leaf pages, in the order of keys, and
// returns the counts of what was met.
func (w *walk) tree(t tree, compare func(a, b []byte) int, leaf func(node)) (met tree) {
	if t.root == w.none() {
		return met
	}
	tw := treeWalk{walk: w, depth: int(t.depth), compare: compare, leaf: leaf}
	tw.descend(link{w.meta.page, -1}, t.root, 1, nil, nil)
	return tw.met
}

// descend visits page n and what is below. Its keys must not be below low, and be
// below high; nil is no limit.
func (w *treeWalk) descend(from link, n uint64, level int, low, high []byte) {
	kind := uint16(kindBranch)
	if level == w.depth {
		kind = kindLeaf
	}
	nodes, err := w.visit(from, n, level, kind)
	if err == nil {
		err = w.checkOrder(nodes, kind, low, high)
	}
	if err != nil {
		w.faults.Add(err)
		return
	}
	if kind == kindLeaf {
		w.met.leaves++
		w.met.entries += uint64(len(nodes))
		for _, nd := range nodes {
			w.leaf(nd)
		}
		return
	}
	w.met.branches++
	for i, nd := range nodes {
		below, above := low, high
		if i > 0 {
			below = nd.key
		}
		if i+1 < len(nodes) {
			above = nodes[i+1].key
		}
		if w.descend(nd.link, nd.child, level+1, below, above); w.done() {
			return
		}
	}
}

// visit returns the nodes of a page of a tree. They are good until the next visit
// on this level.
func (w *treeWalk) visit(from link, n uint64, level int, kind uint16) ([]node, *dbm.DamageError) {
	p, err := w.page(from, n, kind)
	if err != nil {
		return nil, err
	}
	if !w.claim(run{p.number, 1}) {
		return nil, damaged(p.number, "met a second time%s", from)
	}
	nodes, err := w.nodes(p, w.levels[level][:0])
	if err != nil {
		return nil, err
	}
	w.levels[level] = nodes
	return nodes, nil
}

// checkOrder makes sure that looking for a key by bisection ends at its node, and
// that every child of a branch has room for keys. The first key of a branch does
// not count.
func (w *treeWalk) checkOrder(nodes []node, kind uint16, low, high []byte) *dbm.DamageError {
	if kind == kindBranch {
		nodes = nodes[1:]
	}
	for i, nd := range nodes {
		switch {
		case i > 0 && w.compare(nodes[i-1].key, nd.key) >= 0:
			return nd.damaged("is not in order")
		case i > 0 || low == nil:
		case w.compare(low, nd.key) > 0 || kind == kindBranch && w.compare(low, nd.key) == 0:
			return nd.damaged("has a key that belongs before this page")
		}
	}
	if last := nodes[len(nodes)-1]; high != nil && w.compare(last.key, high) >= 0 {
		return last.damaged("has a key that belongs behind this page")
	}
	return nil
}

// records calls give for every record of the main tree that is sound by itself,
// and returns what was met on the way.
func (w *walk) records(give func(node, dbm.Record, run)) (met tree, databases int) {
	var overflow uint64
	before := w.faults.Len()
	met = w.tree(w.main, bytes.Compare, func(nd node) {
		if nd.flags == nodeDatabase && w.isDatabase(nd) {
			databases++
			return
		}
		value, r, err := w.claimedValue(nd)
		if err == nil && len(nd.key) == 0 {
			err = nd.damaged("has no key")
		}
		if err != nil {
			w.faults.Add(err)
			return
		}
		overflow += uint64(r.pages)
		give(nd, dbm.Record{Key: nd.key, Value: value}, r)
	})
	met.overflow = overflow
	if w.faults.Len() == before && met.entries != w.main.entries {
		w.faults.Add(damaged(w.meta.page, "counts %d entries, there are %d", w.main.entries, met.entries))
	}
	return met, databases
}

// claimedValue returns the value of a leaf node, if its pages are its own.
func (w *walk) claimedValue(nd node) ([]byte, run, *dbm.DamageError) {
	value, r, err := w.value(nd)
	if err == nil && !w.claim(r) {
		err = nd.damaged("has a value in pages that are in use, from page %d to %d", r.first, r.first+r.pages-1)
	}
	return value, r, err
}

// compareNumbers is the order of the keys in the free tree.
func (l layout) compareNumbers(a, b []byte) int {
	if len(a) != l.word || len(b) != l.word {
		return cmp.Compare(len(a), len(b))
	}
	return cmp.Compare(l.number(a), l.number(b))
}
