/*
 * node: what an engine's machine must have ([node.NAME] of ferry.conf), and making it so.
 *
 *   wanted     the sections, checked: reference, engine, folder, owner
 *   state      what earlier runs made, and what the engine was told
 *   fill       the models: into the store
 *   placing    a model of the store in the folder of its engine
 *   hooks      programs that tell the engine
 *   removal    what no section names any more
 *   apply      all of these in their order
 *   standing   what is there, without changing anything
 *   vitals     does the engine answer?
 *   gauges     what is there, as metrics
 *   probe      an answer for load balancers
 *
 * What always holds here:
 *  - a run that finds everything as it must be changes nothing and tells nobody; a run that was
 *    killed is completed by the next one: a hook that has not run, or that failed, runs then;
 *  - a model that fails does not stop the others, but while one fails nothing is removed, unless
 *    the disk is full;
 *  - one run removes only as many models as remove-most says, the least recently used first, and
 *    none that is pinned, in use, or linked into an engine's folder by somebody else;
 *  - programs are started without a shell, and what they are told comes on their standard input.
 */
#ifndef FERRY_NODE_NODE_H
#define FERRY_NODE_NODE_H

#endif
