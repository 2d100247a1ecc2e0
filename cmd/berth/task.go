package main

import "github.com/spf13/cobra"

func newTask() *cobra.Command {
	return group("task", "list and kill tasks, run commands in them", newTaskList(), newTaskKill(), newTaskExec())
}
