"""The fault harness: real processes that carry conversations while they are killed, cut off and lied to.

docs/faults.md tells what each fault does and how its result is judged. Nothing of the product knows of this
package: a node is `ivr serve` begun by a launcher of ours, which can be told at which commit it must die.
"""
