package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// refused has files with errors and all that is said of them; @ stands for "caisson.yaml:".
var refused = []struct{ name, text, want string }{
	{"a list at the top", "- a\n- b\n",
		`@1:1: the file is a mapping of keys to values, not a list; write platforms: {armv7: {cpu: cortex-a7}}`},
	{"a word at the top", "tensor\n",
		`@1:1: the file is a mapping of keys to values, not "tensor"; write platforms: {armv7: {cpu: cortex-a7}}`},
	{"a key nearly right", "projct: x\n",
		`@1:1: no key "projct" at the top of the file; did you mean project?`},
	{"a key that nothing is like", "frob: 1\n",
		`@1:1: no key "frob" at the top of the file; the keys are project, defaults, platforms`},
	{"a setting at the top", "cpu: x\n",
		`@1:1: no key "cpu" at the top of the file; write it below defaults, for every platform, or below the name of a platform in platforms`},
	{"a platform at the top", "armv7:\n  cpu: x\n",
		`@1:1: no key "armv7" at the top of the file; write it below platforms`},
	{"keys of a platform", "platforms:\n  armv7:\n    memroy: 2g\n    frob: 1\n",
		`@3:5: no key "memroy" in platforms.armv7; did you mean memory?` +
			"\n" + `@4:5: no key "frob" in platforms.armv7; the keys are cpu, network, memory, cpus, pids, secrets`},
	{"platforms without a Dockerfile", "platforms:\n  armv8:\n  windows: {cpu: x}\n",
		`@2:3: no platform "armv8" has a Dockerfile; did you mean armv7?` +
			"\n" + `@3:3: no platform "windows" has a Dockerfile; the platforms are arm64, armv7`},
	{"sections of the wrong type", "project: [a]\ndefaults: 5\nplatforms: [armv7]\n",
		`@1:10: project takes a name, not a list; write project: tensor` +
			"\n" + `@2:11: defaults is a mapping of keys to values, not "5"; write defaults: {memory: 2GB, network: none}` +
			"\n" + `@3:12: platforms is a mapping of keys to values, not a list; write platforms: {armv7: {cpu: cortex-a7}}`},
	{"a name without a value", "project:\n",
		`@1:9: project has no value; write project: tensor, or remove the key`},
	{"a name that is a truth", "project: true\n",
		`@1:10: project takes a name, not true; write project: tensor`},
	{"a name with a slash", "project: a/b\n",
		`@1:10: "a/b" cannot be the name of a project; it becomes the folder /work/NAME of a container: write project: tensor`},
	{"an empty name", "project: ''\n",
		`@1:10: "" cannot be the name of a project; it becomes the folder /work/NAME of a container: write project: tensor`},
	{"settings of the wrong type", "defaults:\n  cpu: {a: b}\n  network: [host]\n  memory: true\n  cpus: ~\n  pids: !x 5\n  secrets: hunter2\n",
		`@2:8: defaults.cpu takes the model of a processor, not a mapping; write cpu: cortex-a7` +
			"\n" + `@3:12: defaults.network takes one of private, host, none, not a list; write network: private` +
			"\n" + `@4:11: defaults.memory takes a size, not true; write memory: 2GB` +
			"\n" + `@5:9: defaults.cpus has no value; write cpus: 1.5, or remove the key` +
			"\n" + `@6:9: defaults.pids takes a number of processes, not !x; write pids: 500` +
			"\n" + `@7:12: defaults.secrets is a list, not a single value; write secrets: [{id: token, src: token.txt}]`},
	{"settings with wrong values", "defaults:\n  cpu: a b\n  network: hots\n  memory: 2XB\n  cpus: many\n  pids: -5\n",
		`@2:8: defaults.cpu: "a b" is not a model of a processor; write it as QEMU_CPU takes it, cpu: cortex-a7` +
			"\n" + `@3:12: defaults.network: no network "hots"; did you mean host? (a network is one of private, host, none)` +
			"\n" + `@4:11: defaults.memory: "2XB" is not a size; write 500m, 2g, 1.5GB or a number of bytes` +
			"\n" + `@5:9: defaults.cpus: "many" is not a number of processors; write 2 for two of them, 0.5 for half of one` +
			"\n" + `@6:9: defaults.pids: "-5" is not a number of processes; write 500 for at most 500 at once`},
	{"limits that are too small", "defaults: {memory: 512, cpus: 0, pids: 0}\n",
		`@1:20: defaults.memory: "512" is too little memory for a container; a number alone is bytes: did you mean 512m or 512g? (6m is the least)` +
			"\n" + `@1:31: defaults.cpus: 0 processors can run nothing; write 2 for two of them, 0.5 for half of one, and leave it out for no limit` +
			"\n" + `@1:40: defaults.pids: no process can run where 0 are allowed; write 500 for at most 500 at once, and leave it out for no limit`},
	{"limits that are too small for the kernel, or too large", "defaults: {memory: 5m, cpus: 0.001, pids: 5000000}\n",
		`@1:20: defaults.memory: "5m" is too little memory for a container; write 512m or 2g; 6m is the least` +
			"\n" + `@1:30: defaults.cpus: "0.001" is too little of a processor; write 2 for two of them, 0.5 for half of one; 0.01 is the least` +
			"\n" + `@1:43: defaults.pids: "5000000" are more processes than a kernel has; 4194304 is the most`},
	{"a network of another name", "defaults: {network: bridge}\n",
		`@1:21: defaults.network: no network "bridge"; did you mean private? (a network is one of private, host, none)`},
	{"secrets", "defaults:\n  secrets:\n  - hunter2\n  - {id: a=b}\n  - {src: x}\n  - {id: q, src: a, env: B}\n  - {id: z, required: maybe}\n  - {id: z}\n  - {id: y, scr: x}\n  - {id: , src: }\n  - {id: e, src: ''}\n",
		`@3:5: defaults.secrets[0] is a mapping, not a single value; write secrets: [{id: token, src: token.txt}]` +
			"\n" + `@4:10: defaults.secrets[1].id: the ID of a secret has no blanks, quotes, commas and equals signs; give it a name that the Dockerfile uses: RUN --mount=type=secret,id=NAME` +
			"\n" + `@5:5: defaults.secrets[2] has no id; write id: NAME, which RUN --mount=type=secret,id=NAME uses` +
			"\n" + `@6:10: defaults.secrets[3] has both src and env; keep the one that has the value` +
			"\n" + `@7:23: defaults.secrets[4].required takes true or false, not "maybe"; write required: false` +
			"\n" + `@8:10: the secret "z" is there twice: first at @7:10; remove one of them` +
			"\n" + `@9:13: no key "scr" in defaults.secrets[6]; did you mean src?` +
			"\n" + `@10:10: defaults.secrets[7].id has no value; write id: token, or remove the key` +
			"\n" + `@10:17: defaults.secrets[7].src has no value; write src: token.txt, or remove the key` +
			"\n" + `@11:18: defaults.secrets[8].src is empty; write src: token.txt, or remove the key`},
	{"a key three times", "defaults: {cpu: a, cpu: b, cpu: c}\n",
		`@1:20: the key "cpu" is there twice: first at @1:12; remove one of them` +
			"\n" + `@1:28: the key "cpu" is there twice: first at @1:12; remove one of them`},
	{"a platform twice", "platforms:\n  armv7:\n    cpu: a\n  armv7:\n    cpu: b\n",
		`@4:3: the key "armv7" is there twice: first at @2:3; remove one of them`},
	{"what is wrong behind an anchor is said once", "defaults: &d {cpuu: a}\nplatforms:\n  armv7: {<<: *d}\n  arm64: *d\n",
		`@1:15: no key "cpuu" in defaults; did you mean cpu?`},
	{"a wrong alias is said where it is used", "defaults: &d {cpu: a}\nplatforms:\n  armv7: {cpu: *d}\n",
		`@3:16: platforms.armv7.cpu takes the model of a processor, not a mapping; write cpu: cortex-a7`},
	{"a merge with itself", "defaults: &d {<<: *d}\n",
		`@1:11: a mapping is merged into itself; remove the << that names its own anchor`},
	{"a merge with a word", "defaults: {<<: 5}\n",
		`@1:16: << merges a mapping, not "5"; write <<: *NAME, where &NAME stands before a mapping`},
	{"a merge with a list of words", "defaults: {<<: [a]}\n",
		`@1:16: << merges a mapping, not "a"; write <<: *NAME, where &NAME stands before a mapping`},
	{"a quoted merge is a key", "\"<<\": x\n",
		`@1:1: no key "<<" at the top of the file; the keys are project, defaults, platforms`},
	{"a key that is a list", "? [a]\n: b\n",
		`@1:3: a key is a word, not a list; write key: value`},
	{"a key that is nothing", "~: x\n",
		`@1:1: a key is a word, not nothing; write key: value`},
	{"a type of its own", "defaults: {cpu: !!binary x}\n",
		`@1:17: defaults.cpu takes the model of a processor, not !!binary; write cpu: cortex-a7`},
	{"two documents", "project: a\n---\nproject: b\n",
		`@3:1: a second document begins here; keep one, without a line --- between`},
	{"an unknown anchor", "defaults:\n  cpu: *x\n",
		`@2:8: this is not YAML: unknown anchor 'x' referenced; write &NAME before the value that *NAME repeats, further up; a value that begins with * needs quotes`},
	{"a tab in the indentation", "platforms:\n\tarmv7:\n",
		`@2:1: this is not YAML: a tab in the indentation; indent with blanks`},
	{"a tab among blanks", "platforms:\n  armv7:\n\t  cpu: x\n",
		`@3:1: this is not YAML: a tab in the indentation; indent with blanks`},
	{"a line that is indented too much", "defaults:\n  cpu: x\n   pids: 5\n",
		`@3:8: this is not YAML: a colon where no key can be; write one key: value a line, look at the indentation, and quote a value with a colon and a blank in it`},
	{"a line that is indented too little", "defaults:\n   cpu: a\n  pids: 5\n",
		`@3:3: this is not YAML: a line that is not indented as the block is; begin the keys of a block in the same column`},
	{"a name without a colon", "platforms:\n  armv7\n    cpu: x\n",
		`@3:8: this is not YAML: a colon where no key can be; write one key: value a line, look at the indentation, and quote a value with a colon and a blank in it`},
	{"a key without a colon", "project: x\nmemory 2GB\ndefaults:\n",
		`@2:1: this is not YAML: a key without a colon; write key: value, with a blank after the colon`},
	{"two colons", "project: a: b\n",
		`@1:11: this is not YAML: a colon where no key can be; write one key: value a line, look at the indentation, and quote a value with a colon and a blank in it`},
	{"a quotation without an end", "project: \"x\ndefaults:\n",
		`@1:10: this is not YAML: a quotation that does not end; close it`},
	{"a bracket without an end", "defaults: {cpu: x\nplatforms:\n",
		`@1:11: this is not YAML: a bracket that is not closed; close it, or put a comma between its parts`},
	{"a bracket without a beginning", "defaults: }\n",
		`@1:11: this is not YAML: did not find expected node content; write keys and values, like platforms: {armv7: {cpu: cortex-a7}}`},
	{"a value that begins with a sign", "project: @x\n",
		`@1:10: this is not YAML: a character that cannot begin a value; put the value in quotes`},
	{"a hyphen behind a key", "defaults: - b\n",
		`@1:11: this is not YAML: block sequence entries are not allowed in this context; write keys and values, like platforms: {armv7: {cpu: cortex-a7}}`},
	{"a key in a list", "- a\nb: c\n",
		`@2:1: this is not YAML: a line in a list that is no part of it; begin the parts of a list in the same column, each with a hyphen`},
	{"UTF-16", "\xff\xfep\x00",
		`@1:1: the file is UTF-16; save it as UTF-8`},
	{"a control character", "project: \x01\n",
		`@1:10: this is not YAML: a control character; remove it`},
	{"another encoding", "project: gr\xf6\xdfe\n",
		`@1:12: this is not YAML: invalid trailing UTF-8 octet; save the file as UTF-8`},
	{"columns are characters", "project: größe: x\n",
		`@1:15: this is not YAML: a colon where no key can be; write one key: value a line, look at the indentation, and quote a value with a colon and a blank in it`},
	{"line ends of Windows count once", "project: a\r\n\r\nfrob: 1\r\n",
		`@3:1: no key "frob" at the top of the file; the keys are project, defaults, platforms`},
	{"another YAML", "%YAML 3.0\n---\na: b\n",
		`@1:1: this is not YAML: found incompatible YAML document; write keys and values, like platforms: {armv7: {cpu: cortex-a7}}`},
}

func TestEveryErrorSaysWhereWhatAndWhatToDo(t *testing.T) {
	for _, test := range refused {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("caisson.yaml", []byte(test.text), platforms)
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(test.want, strings.ReplaceAll(err.Error(), "caisson.yaml:", "@")); diff != "" {
				t.Error(diff)
			}
		})
	}
}
